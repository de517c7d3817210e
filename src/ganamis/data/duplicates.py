"""Pairs of points that lie close together, without comparing all pairs."""

import numpy as np
from scipy.spatial import cKDTree

DIRECTIONS = 12  # of largest variance; a tree over more of them rules out no sooner
BLOCK = 256  # points asked at once


def close_pairs(
    points: np.ndarray, *, radius: float, largest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows of `points` within a Euclidean distance of `radius`.

    An orthogonal projection never lengthens a distance, so a tree over the projected points finds
    every pair (and some more, which their full distance rules out).

    Args:
        points: `[N, D]` float.
        largest: pairs after which the search ends.

    Returns:
        pairs `[P, 2]` int, the first smaller than the second, in ascending order, and their
        distances `[P]` float64; exactly `largest` of them where there are more.
    """
    values = points.astype(np.float64)
    values -= values.mean(axis=0)
    _, directions = np.linalg.eigh(values.T @ values)
    projected = values @ directions[:, -DIRECTIONS:]
    tree = cKDTree(projected)
    reach = radius * (1 + 1e-9) + 1e-9  # rounding must not lose a pair
    pairs, distances, found = [np.empty((0, 2), np.intp)], [np.empty(0)], 0
    for start in range(0, len(values), BLOCK):
        near = tree.query_ball_point(projected[start : start + BLOCK], reach, return_sorted=True)
        for first, others in enumerate(near, start=start):
            second = np.array([other for other in others if other > first], dtype=np.intp)
            distance = np.linalg.norm(values[second] - values[first], axis=1)
            inside = distance <= radius
            pairs.append(np.column_stack([np.full(inside.sum(), first), second[inside]]))
            distances.append(distance[inside])
            found += int(inside.sum())
        if found >= largest:
            break
    return np.concatenate(pairs)[:largest], np.concatenate(distances)[:largest]
