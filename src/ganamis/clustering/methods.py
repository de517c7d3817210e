"""The clusterers behind one interface, with the number of generators known or unknown."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.mixture import GaussianMixture

from ganamis.clustering.count import density_labels, estimate_count
from ganamis.clustering.nuisance import BatchWhitening, Nuisance, fit_batch
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


@lru_cache(maxsize=1)  # clusterers and batches in turn ask for the same one
def _whitening(reference: Reference, components: int, shrinkage: float) -> Whitening:
    return within_class_whitening(
        reference.features, reference.generators, components=components, shrinkage=shrinkage
    )


@lru_cache(maxsize=1)
def _nuisance(reference: Reference, components: int) -> Nuisance:
    copies = {CLEAN: reference.features, **reference.copies}
    return Nuisance.fit(copies, reference.generators, components=components)


def space(
    name: str, query: np.ndarray, reference: Reference, *, views: int, settings: Cluster
) -> Whitening:
    """The whitened space in which clusterer `name` sees `[N, V * D]` embeddings.

    `open_world` matches what it divides out to the batch at hand; the others use the development
    images as they are.
    """
    if name != OPEN_WORLD:
        return _whitening(reference, settings.components, settings.shrinkage)
    return _matched(query, reference, views=views, settings=settings)[0]


def _matched(
    query: np.ndarray, reference: Reference, *, views: int, settings: Cluster
) -> tuple[Whitening, BatchWhitening]:
    """The whitening matched to a batch: of its features, and of its principal components."""
    chosen = settings.open_world
    nuisance = _nuisance(reference, chosen.components)
    batch = fit_batch(
        nuisance,
        nuisance.reduce(query.reshape(len(query), views, -1)),
        dimensions=chosen.dimensions,
        shrinkage=chosen.shrinkage,
        emphasis=chosen.emphasis,
        condition_components=chosen.condition_components,
    )
    whitening = Whitening(
        mean=nuisance.mean + nuisance.basis @ batch.mean, matrix=nuisance.basis @ batch.matrix
    )
    return whitening, batch


@dataclass(frozen=True)
class Prepared:
    """Embeddings as one clusterer sees them, ready for any number of clusters.

    order: `[N]`, the row of the input that each row here is; sorted by content, so that seeded
    methods do not depend on the order they were given. features: `[N, C]`, what is partitioned.
    points: `[N, C]`, whitened, from which the number is estimated. conditions: `[N]` int, how each
    image seems to have been processed; None where the clusterer does not ask.
    """

    name: str
    order: np.ndarray
    features: np.ndarray
    points: np.ndarray
    conditions: np.ndarray | None
    settings: Cluster

    def cluster(self, *, count: int | None, seed: int) -> np.ndarray | None:
        """Cluster into `count` clusters, or find their number.

        Returns:
            `[N]` int labels, -1 for unassigned; None where the method cannot take a count.

        Raises:
            UserError: more clusters than images.
        """
        size = len(self.order)
        if count is not None and not 1 <= count <= size:
            raise UserError(f"{count} clusters of {size} images; expected 1 to {size}")
        if size == 1:  # HDBSCAN and mixtures want two
            return np.zeros(1, dtype=int)
        found = self._partition(count, seed)
        if found is None:
            return None
        labels = np.empty(size, dtype=int)
        labels[self.order] = found
        return labels

    def _partition(self, count: int | None, seed: int) -> np.ndarray | None:
        if self.name == OPEN_WORLD:
            search = OpenWorld(**self.settings.open_world.search.model_dump())
            return discover(self.points, search, count=count, seed=seed, conditions=self.conditions)
        if self.name == DENSITY:
            return density_labels(self.points) if count is None else None
        if count is None:
            count = estimate_count(self.points, largest=self.settings.largest)
        return PARTITIONS[self.name](self.features, count, seed)


def prepare(
    name: str, query: np.ndarray, reference: Reference, *, views: int, settings: Cluster
) -> Prepared:
    """Bring embeddings into the space of a clusterer.

    Args:
        name: one of `CLUSTERERS`.
        query: `[N, V * D]` embeddings to cluster.
        reference: development images; they teach the whitening and nothing else.

    Raises:
        UserError: unknown name.
    """
    if name not in CLUSTERERS:
        raise UserError(f"clusterer '{name}' is unknown; choose one of {', '.join(CLUSTERERS)}")
    order = np.lexsort(query.T[::-1])
    means = view_means(query[order], views).astype(np.float64)
    conditions = None
    if name == OPEN_WORLD:
        whitening, batch = _matched(query[order], reference, views=views, settings=settings)
        conditions = batch.conditions
    else:
        whitening = space(name, query[order], reference, views=views, settings=settings)
    points = whitening.transform(means)
    return Prepared(name, order, means if name == RAW else points, points, conditions, settings)
