"""Clusters that are one generator's images after one kind of processing, given back to it.

In a folder whose images were processed each in another way, some processing may move one
generator's images further than the nuisance learned on development allows for. Such a cluster has
its processing to itself, and the generator it was cut from lacks just that one.
"""

import numpy as np

MIXED = 3  # kinds of processing in a cluster whose images met different ones
SHARED = 0.1  # of two clusters' images, up to which they have no processing in common


def _shares(conditions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share `[K, C]` of each condition in each cluster."""
    counts = np.zeros((labels.max() + 1, conditions.max() + 1))
    np.add.at(counts, (labels, conditions), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def join_processed(
    points: np.ndarray, labels: np.ndarray, conditions: np.ndarray, *, least: int = 1
) -> np.ndarray:
    """Join clusters that only their processing tells from a larger one.

    A cluster of less than `MIXED` conditions is joined to the nearest larger cluster that has at
    least so many, none of them in common with it. In a folder whose generators were each processed
    in one way no cluster has many, so that nothing is joined.

    Args:
        points: `[N, C]`, whitened. labels: `[N]` int, 0 to K - 1. conditions: `[N]` int, the most
            probable one of each image. least: clusters to leave; the smallest are joined first.

    Returns:
        `[N]` int, larger clusters first.
    """
    shares = _shares(conditions, labels)
    sizes = np.bincount(labels)
    centres = np.stack([points[labels == label].mean(axis=0) for label in range(len(sizes))])
    kinds = (shares >= SHARED / 2).sum(axis=1)
    target = np.arange(len(sizes))
    for label in sorted(np.flatnonzero(kinds < MIXED), key=lambda label: sizes[label]):
        if len(set(target)) <= least:
            break
        common = np.minimum(shares, shares[label]).sum(axis=1)
        homes = np.flatnonzero((kinds >= MIXED) & (common < SHARED) & (sizes > sizes[label]))
        if len(homes):
            distances = np.linalg.norm(centres[homes] - centres[label], axis=1)
            target[label] = homes[distances.argmin()]
    _, joined, sizes = np.unique(target[labels], return_inverse=True, return_counts=True)
    return np.argsort(np.argsort(-sizes, kind="stable"))[joined]
