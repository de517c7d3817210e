"""How many generators: the number of density peaks HDBSCAN finds, at least one."""

import numpy as np

MINIMUM_SHARE = 0.05  # of the images, in the smallest cluster that counts


def density_labels(points: np.ndarray) -> np.ndarray:
    """HDBSCAN (Campello et al. 2013) labels `[N]` of `[N, C]` points, -1 for unassigned."""
    from sklearn.cluster import HDBSCAN

    smallest = max(5, round(MINIMUM_SHARE * len(points)))
    return HDBSCAN(min_cluster_size=min(smallest, len(points)), copy=True).fit_predict(points)


def estimate_count(points: np.ndarray, *, largest: int) -> int:
    """Number of generators behind `[N, C]` whitened points, from 1 to `largest`."""
    found = len(set(density_labels(points).tolist()) - {-1})
    return int(np.clip(found, 1, largest))
