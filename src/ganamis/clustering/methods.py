"""The clusterers behind one interface, with the number of generators known or unknown."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.mixture import GaussianMixture

from ganamis.clustering.count import density_labels, estimate_count
from ganamis.clustering.whitening import within_class_whitening
from ganamis.errors import UserError

KMEANS_STARTS = 10
MIXTURE_REGULARISATION = 1e-3


@dataclass(frozen=True)
class Clusterer:
    """One way from embeddings to clusters.

    whitened: whether it works on within-class whitened embeddings.
    partition: `[N, C]` points, a number of clusters and a seed to `[N]` int labels; None for a
    method that finds the number itself.
    """

    whitened: bool
    partition: Callable[[np.ndarray, int, int], np.ndarray] | None


def _kmeans(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    return KMeans(count, n_init=KMEANS_STARTS, random_state=seed).fit_predict(points)


def _agglomerative(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    if len(points) < 2:
        return np.zeros(len(points), dtype=int)
    return AgglomerativeClustering(count, linkage="average").fit_predict(points)


def _gaussian_mixture(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    mixture = GaussianMixture(
        count,
        covariance_type="diag",
        reg_covar=MIXTURE_REGULARISATION,
        n_init=KMEANS_STARTS,
        random_state=seed,
    )
    return mixture.fit_predict(points)


CLUSTERERS = {
    "kmeans": Clusterer(whitened=False, partition=_kmeans),
    "kmeans_whitened": Clusterer(whitened=True, partition=_kmeans),
    "agglomerative": Clusterer(whitened=True, partition=_agglomerative),
    "gaussian_mixture": Clusterer(whitened=True, partition=_gaussian_mixture),
    "hdbscan": Clusterer(whitened=True, partition=None),
}


def cluster(
    name: str,
    query: np.ndarray,
    reference: np.ndarray,
    generators: np.ndarray,
    *,
    count: int | None,
    components: int,
    shrinkage: float,
    largest: int,
    seed: int,
) -> np.ndarray | None:
    """Cluster embeddings.

    Args:
        name: one of `CLUSTERERS`.
        query: `[N, D]` embeddings to cluster.
        reference: `[M, D]` development embeddings and generators: `[M]` their labels; they teach
            the whitening and nothing else.
        count: number of clusters, or None to estimate it.

    Returns:
        `[N]` int labels, -1 for unassigned; None where the method cannot take a count.

    Raises:
        UserError: unknown name, or more clusters than images.
    """
    if name not in CLUSTERERS:
        raise UserError(f"clusterer '{name}' is unknown; choose one of {', '.join(CLUSTERERS)}")
    if count is not None and not 1 <= count <= len(query):
        raise UserError(f"{count} clusters of {len(query)} images; expected 1 to {len(query)}")
    clusterer = CLUSTERERS[name]
    whitening = within_class_whitening(
        reference, generators, components=components, shrinkage=shrinkage
    )
    # A fixed order of rows makes seeded methods independent of the order they were given in.
    order = np.lexsort(query.T[::-1])
    points = whitening.transform(query[order])
    labels = np.empty(len(query), dtype=int)
    if clusterer.partition is None:
        if count is not None:
            return None
        labels[order] = density_labels(points)
        return labels
    if count is None:
        count = estimate_count(points, largest=largest)
    chosen = points if clusterer.whitened else query[order].astype(np.float64)
    labels[order] = clusterer.partition(chosen, count, seed)
    return labels
