"""The clusterers behind one interface, with the number of generators known or unknown."""

from collections.abc import Callable

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.mixture import GaussianMixture

from ganamis.clustering.count import density_labels, estimate_count
from ganamis.clustering.nuisance import Nuisance, fit_batch
from ganamis.clustering.open_world import OpenWorld, discover
from ganamis.clustering.whitening import Whitening, within_class_whitening
from ganamis.contracts import Reference, view_means
from ganamis.data.degradations import CLEAN
from ganamis.errors import UserError
from ganamis.params import Cluster

KMEANS_STARTS = 10
MIXTURE_REGULARISATION = 1e-3


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


RAW = "kmeans"  # the paper's own: k-means on features as they are
DENSITY, OPEN_WORLD = "hdbscan", "open_world"
PARTITIONS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    RAW: _kmeans,
    "kmeans_whitened": _kmeans,
    "agglomerative": _agglomerative,
    "gaussian_mixture": _gaussian_mixture,
}
CLUSTERERS = (*PARTITIONS, DENSITY, OPEN_WORLD)


def space(
    name: str, query: np.ndarray, reference: Reference, *, views: int, settings: Cluster
) -> Whitening:
    """The whitened space in which clusterer `name` sees `[N, V * D]` embeddings.

    `open_world` matches what it divides out to the batch at hand; the others use the development
    images as they are.
    """
    if name != OPEN_WORLD:
        return within_class_whitening(
            reference.features,
            reference.generators,
            components=settings.components,
            shrinkage=settings.shrinkage,
        )
    chosen = settings.open_world
    nuisance = Nuisance.fit(
        {CLEAN: reference.features, **reference.copies},
        reference.generators,
        components=chosen.components,
    )
    batch = fit_batch(
        nuisance,
        nuisance.reduce(query.reshape(len(query), views, -1)),
        dimensions=chosen.dimensions,
        shrinkage=chosen.shrinkage,
        emphasis=chosen.emphasis,
        condition_components=chosen.condition_components,
    )
    return Whitening(
        mean=nuisance.mean + nuisance.basis @ batch.mean, matrix=nuisance.basis @ batch.matrix
    )


def cluster(
    name: str,
    query: np.ndarray,
    reference: Reference,
    *,
    views: int,
    count: int | None,
    settings: Cluster,
    seed: int,
) -> np.ndarray | None:
    """Cluster embeddings.

    Args:
        name: one of `CLUSTERERS`.
        query: `[N, V * D]` embeddings to cluster.
        reference: development images; they teach the whitening and nothing else.
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
    # A fixed order of rows makes seeded methods independent of the order they were given in.
    order = np.lexsort(query.T[::-1])
    means = view_means(query[order], views).astype(np.float64)
    points = space(name, query[order], reference, views=views, settings=settings).transform(means)
    found = _partition(
        name, means if name == RAW else points, points, count=count, settings=settings, seed=seed
    )
    if found is None:
        return None
    labels = np.empty(len(query), dtype=int)
    labels[order] = found
    return labels


def _partition(
    name: str,
    chosen: np.ndarray,
    points: np.ndarray,
    *,
    count: int | None,
    settings: Cluster,
    seed: int,
) -> np.ndarray | None:
    """Labels `[N]` of the `chosen` features; `points` are whitened, for estimating the number."""
    if name == OPEN_WORLD:
        search = OpenWorld(**settings.open_world.search.model_dump())
        return discover(points, search, count=count, seed=seed)
    if name == DENSITY:
        return density_labels(points) if count is None else None
    if count is None:
        count = estimate_count(points, largest=settings.largest)
    return PARTITIONS[name](chosen, count, seed)
