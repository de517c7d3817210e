"""The clusterers behind one interface, with the number of generators known or unknown."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ganamis.clustering.content import content_coordinates, content_scatter
from ganamis.clustering.count import density_labels, estimate_count
from ganamis.clustering.evidence import Scene
from ganamis.clustering.nuisance import Nuisance, fit_batch, within_image_scatter
from ganamis.clustering.open_world import OpenWorld, discover
from ganamis.clustering.same_or_another import shipped_test
from ganamis.clustering.whitening import Whitening, within_class_whitening
from ganamis.contracts import UNASSIGNED, Embedded
from ganamis.errors import UserError
from ganamis.params import ModelSettings

KMEANS_STARTS = 10
DIGITS = 6  # of a standard deviation
MIXTURE_REGULARISATION = 1e-3


def larger_first(labels: np.ndarray) -> np.ndarray:
    """The same clusters `[N]` int numbered without gaps by size, -1 as it is.

    A mixture may leave a component without an image. Of equals, the one seen first comes first.
    """
    kept, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    order = order[kept[order] != UNASSIGNED]
    place = dict(zip(kept[order].tolist(), range(len(order)), strict=True))
    return np.array([place.get(label, UNASSIGNED) for label in labels.tolist()], dtype=int)


def _kmeans(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=KMEANS_STARTS, random_state=seed).fit_predict(points)
    return larger_first(found)


def _agglomerative(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import AgglomerativeClustering

    return larger_first(AgglomerativeClustering(count, linkage="average").fit_predict(points))


def _gaussian_mixture(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        count,
        covariance_type="diag",
        reg_covar=MIXTURE_REGULARISATION,
        n_init=KMEANS_STARTS,
        random_state=seed,
    )
    return larger_first(mixture.fit_predict(points))


RAW = "kmeans"  # the paper's own: k-means on features as they are
DENSITY, OPEN_WORLD = "hdbscan", "open_world"
PARTITIONS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    RAW: _kmeans,
    "kmeans_whitened": _kmeans,
    "agglomerative": _agglomerative,
    "gaussian_mixture": _gaussian_mixture,
}
CLUSTERERS = (*PARTITIONS, DENSITY, OPEN_WORLD)


@dataclass(frozen=True, eq=False)
class Space:
    """A batch of N images as a clusterer sees it.

    whitening: the affine map from principal components. points: `[N, C]`, whitened, one standard
    deviation inside a generator as the unit. weights: `[conditions]`, their shares in the batch.
    conditions: `[N]` int, the most probable one of each image.
    """

    whitening: Whitening
    points: np.ndarray
    weights: np.ndarray
    conditions: np.ndarray


@dataclass(frozen=True, eq=False)
class Partition:
    """Clusters of a batch.

    space: in which they were found. labels: `[N]` int, -1 for unassigned. confidence: probability
    in [0, 1] that their number is right; None where it was given or the method does not say.
    """

    space: Space
    labels: np.ndarray
    confidence: float | None = None


def prepare(name: str, batch: Embedded, nuisance: Nuisance, *, settings: ModelSettings) -> Space:
    """Bring a batch into the space of clusterer `name`.

    `open_world` matches what it divides out to the batch at hand; the others use the clean
    development images as they are (within-class covariance normalisation).

    Raises:
        UserError: unknown name.
    """
    if name not in CLUSTERERS:
        raise UserError(f"clusterer '{name}' is unknown; choose one of {', '.join(CLUSTERERS)}")
    if name == OPEN_WORLD:
        scatter = own_scatter(batch, settings=settings)
        return match(batch.means, scatter, nuisance, settings=settings)
    numbers = settings.baselines
    whitening = within_class_whitening(
        nuisance.copies[0],
        nuisance.labels,
        components=numbers.components,
        shrinkage=numbers.shrinkage,
    )
    clean = np.eye(len(nuisance.conditions))[0]
    same = np.zeros(len(batch), dtype=int)
    return Space(whitening, whitening.transform(batch.means), clean, same)


def own_scatter(batch: Embedded, *, settings: ModelSettings) -> np.ndarray:
    """What a batch itself shows to vary inside a generator, `[P, P]`: views and content."""
    chosen = settings.open_world
    some = np.argsort(batch.ids, kind="stable")[: chosen.search.sample]
    content = content_scatter(
        batch.means[some],
        content_coordinates(batch.content[some]),
        neighbours=chosen.content_neighbours,
    )
    return within_image_scatter(batch.by_view) + chosen.content_weight * content


def match(
    points: np.ndarray, image_scatter: np.ndarray, nuisance: Nuisance, *, settings: ModelSettings
) -> Space:
    """The space in which what varies inside a generator is matched to a batch.

    Args:
        points: `[N, P]` reduced features, averaged over views.
        image_scatter: `[P, P]`, `within_image_scatter` of the views; of a batch `own_scatter`.
    """
    chosen = settings.open_world
    matched = fit_batch(
        nuisance,
        points,
        image_scatter,
        dimensions=chosen.dimensions,
        shrinkage=chosen.shrinkage,
        emphasis=chosen.emphasis,
        condition_components=chosen.condition_components,
    )
    # A principal axis and its opposite are the same; which one comes out depends on last digits.
    largest = np.abs(matched.matrix).argmax(axis=0)
    signs = np.sign(matched.matrix[largest, np.arange(matched.matrix.shape[1])])
    whitening = Whitening(matched.mean, matched.matrix * signs)
    return Space(whitening, whitening.transform(points), matched.weights, matched.conditions)


def scene_of(batch: Embedded, space: Space) -> tuple[Scene, np.ndarray]:
    """A batch as the open-world search sees it, and the order `[N]` of its images: by id.

    Whitening sums the images in the order they came, and its last digits decide nothing.
    """
    order = np.argsort(batch.ids, kind="stable")
    views = np.round(space.whitening.transform(batch.by_view[order]), DIGITS)
    points, content = np.round(space.points[order], DIGITS), batch.content[order]
    return Scene.of(points, views, content, space.conditions[order]), order


def partition(
    name: str,
    batch: Embedded,
    space: Space,
    *,
    count: int | None,
    settings: ModelSettings,
    seed: int,
) -> Partition:
    """Cluster a batch into `count` clusters, or find their number.

    Seeded methods see the images sorted by id, so that order changes nothing.

    Raises:
        UserError: more clusters than images, or a method that cannot be given their number.
    """
    size = len(batch)
    if count is not None and not 1 <= count <= size:
        raise UserError(f"{count} clusters of {size} images; expected 1 to {size}")
    if size == 1:  # HDBSCAN and mixtures want two
        return Partition(space, np.zeros(1, dtype=int))
    labels = np.empty(size, dtype=int)
    if name == OPEN_WORLD:
        scene, order = scene_of(batch, space)
        discovered = discover(
            scene,
            shipped_test(),
            OpenWorld(**settings.open_world.search.model_dump()),
            count=count,
            seed=seed,
        )
        labels[order] = discovered.labels
        return Partition(space, labels, discovered.confidence)
    order = np.argsort(batch.ids, kind="stable")
    points = space.points[order]
    if name == DENSITY:
        found = _dense(points, count)
    else:
        if count is None:
            count = estimate_count(points, largest=settings.baselines.largest)
        features = batch.means[order].astype(np.float64) if name == RAW else points
        found = PARTITIONS[name](features, count, seed)
    labels[order] = found
    return Partition(space, labels)


def _dense(points: np.ndarray, count: int | None) -> np.ndarray:
    if count is not None:
        raise UserError(f"clusterer '{DENSITY}' cannot be given a number of clusters")
    found = density_labels(points)
    # Where no image lies in a dense place there is one group.
    return larger_first(found) if found.max() >= 0 else np.zeros(len(points), dtype=int)
