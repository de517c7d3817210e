"""Are two groups of images one population or two? A cross-fitted Fisher axis and the dip test.

Cutting one population in two always gives groups that some axis separates; what tells two
populations apart is a gap along it. The dip (Hartigan and Hartigan 1985) measures that gap and
knows no scale, so it needs no covariance of a generator never seen. Few images cannot show a gap;
there, lying much farther apart than the parts of one population do is evidence as well.
"""

import numpy as np
from diptest import dipstat

FOLDS = 5
LEAST_DISTANCE = 2.5  # within-group standard deviations; half a Gaussian is 2.65 from the other
WINDOW = 2  # images of the larger group, nearest the smaller one, for each of the smaller
DISTANCE_WEIGHT = 0.4  # of the logarithm of a distance beyond that of parts of one population


def local_coordinates(points: np.ndarray, *, dimensions: int) -> np.ndarray:
    """Leading principal coordinates `[N, dimensions]` of `[N, C]` points, scales kept."""
    centred = points - points.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:dimensions].T


def fisher_projection(points: np.ndarray, second: np.ndarray, *, prior: float) -> np.ndarray | None:
    """Project each point on the Fisher axis of the other folds' points (Fisher 1936).

    The two groups' means in the training folds come to lie at -1 and 1. Folds follow the order of
    the points along the first coordinate, so that they depend on the points alone.

    Args:
        points: `[N, C]`, whitened: the within-group covariance is expected to be the identity.
        second: `[N]` bool, the second group.
        prior: weight of that expectation, in points.

    Returns:
        `[N]` positions; None where a fold leaves a group with less than two points.
    """
    count, dimensions = points.shape
    fold = np.empty(count, dtype=int)
    fold[np.lexsort((points[:, 0], second))] = np.arange(count) % FOLDS
    # Sums over each group in each fold; those of the other folds follow by subtraction.
    member = np.zeros((2 * FOLDS, count))
    member[fold + FOLDS * second, np.arange(count)] = 1.0
    products = (points[:, :, None] * points[:, None, :]).reshape(count, -1)
    sizes, sums, moments = (
        of_all.sum(axis=1, keepdims=True) - of_all
        for of_all in (
            (member @ values).reshape(2, FOLDS, -1)
            for values in (np.ones((count, 1)), points, products)
        )
    )
    if sizes.min() < 2:
        return None
    means = sums / sizes
    scatters = moments.reshape(2, FOLDS, dimensions, dimensions) - np.einsum(
        "gfi,gfj->gfij", sums, means
    )
    covariances = scatters.sum(axis=0) + prior * np.eye(dimensions)
    apart = means[1] - means[0]
    axes = np.linalg.solve(covariances, apart[..., None])[..., 0]
    halves = (axes * apart).sum(axis=1) / 2
    if not (halves > 0).all():
        return None
    middles = (axes * means.sum(axis=0)).sum(axis=1) / 2
    positions = (points @ axes.T)[np.arange(count), fold]
    return (positions - middles[fold]) / halves[fold]


def standard_distance(positions: np.ndarray, second: np.ndarray) -> float:
    """Distance of two groups' mean positions in their pooled standard deviation."""
    first_group, second_group = positions[~second], positions[second]
    within = first_group.var() * len(first_group) + second_group.var() * len(second_group)
    distance = second_group.mean() - first_group.mean()
    return float(distance / np.sqrt(max(within / len(positions), 1e-12)))


def _window(positions: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The smaller group and the part of the larger one that faces it.

    A few images beside many hardly move the dip of them all. Cutting off a far end leaves one
    population as unimodal as it was.
    """
    first_group, second_group = np.sort(positions[~second]), np.sort(positions[second])
    reach = WINDOW * min(len(first_group), len(second_group))
    return np.concatenate([first_group[-reach:], second_group[:reach]])


def parts_distance(smaller: int) -> float:
    """Distance that parts of one generator keep to, in within-group standard deviations.

    The 98th percentile over single generators of the zoo that were cut in two every way the search
    tries, as a function of the number of images in the smaller part (docs/method.md).
    """
    return 4.0 + 14.0 / smaller


def separation(points: np.ndarray, second: np.ndarray, *, prior: float) -> float:
    """How surely two groups are two populations, from the gap between them and their distance.

    The gap is the dip along the cross-fitted Fisher axis times the cube root of the number of
    points that face each other. Under one population without structure the dip shrinks as the
    square root; that of a true gap does not shrink. The cube root asks for more than significance,
    since in many images the faintest grouping by content is significant, and for less than a gap of
    fixed depth, which few images cannot show. A distance beyond `parts_distance` adds to it.
    0 where the groups are closer than two halves of one Gaussian.
    """
    positions = fisher_projection(points, second, prior=prior)
    if positions is None:
        return 0.0
    distance = standard_distance(positions, second)
    if distance < LEAST_DISTANCE:
        return 0.0
    facing = _window(positions, second)
    gap = dipstat(facing) * len(facing) ** (1 / 3)
    excess = distance / parts_distance(min(second.sum(), (~second).sum()))
    return float(gap + DISTANCE_WEIGHT * np.log(max(1.0, excess)))


def pair_separation(
    first_group: np.ndarray, second_group: np.ndarray, *, dimensions: int, prior: float
) -> float:
    """`separation` of `[A, C]` and `[B, C]` points in their joint principal coordinates."""
    points = local_coordinates(np.concatenate([first_group, second_group]), dimensions=dimensions)
    second = np.arange(len(points)) >= len(first_group)
    return separation(points, second, prior=prior)
