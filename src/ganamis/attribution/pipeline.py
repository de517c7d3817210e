"""From images to generators, their number unknown: one object, fitted on development images.

Embedding is apart from clustering, so that images may stream and only their embeddings be kept.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ganamis.attribution.known_models import (
    Calibration,
    distances,
    join_known,
    lineage,
    name_clusters,
)
from ganamis.clustering.mixture import GaussianClusters
from ganamis.clustering.nuisance import BatchWhitening, Nuisance, fit_batch
from ganamis.clustering.open_world import OpenWorld, discover, small_matrices
from ganamis.contracts import Extractor
from ganamis.data.degradations import CLEAN, degrade
from ganamis.errors import UserError
from ganamis.files import read_json, write_json

GROUP_SIZES = (1, 2, 3, 5, 10, 30)  # of the groups that the calibration is shown


@dataclass(frozen=True)
class AttributionConfig:
    """Settings of the fingerprint pipeline.

    conditions: degradations whose copies of development teach the nuisance, `clean` among them.
    components: of the basis. dimensions: directions kept of a batch. shrinkage: of the covariance
    inside a condition. emphasis: on what conditions change. condition_components: of the
    classifier of conditions. independent: images of a group that count when it is named.
    open_world: the clusterer.
    """

    conditions: tuple[str, ...]
    components: int
    dimensions: int
    shrinkage: float
    emphasis: float
    condition_components: int
    independent: int
    open_world: OpenWorld


@dataclass(frozen=True)
class Attribution:
    """Which image came from which generator.

    labels: `[N]` int, 0 to K - 1. names: `[K]` str. image_scores: `[N]` in [0, 1], the probability
    of an image's cluster times that of the cluster's name. scores: `[K]` in [0, 1], of the names.
    linkage: `[K - 1, 4]`, scipy's form, rows of `names`. conditions: share of each degradation
    the batch seems to have met. points: `[N, C]`, the whitened embeddings.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    image_scores: np.ndarray
    scores: np.ndarray
    linkage: np.ndarray
    conditions: dict[str, float]
    points: np.ndarray

    @property
    def count(self) -> int:
        """Number of generators."""
        return len(self.names)

    @property
    def image_names(self) -> np.ndarray:
        """Generator `[N]` str of each image."""
        return np.array(self.names)[self.labels]


def _views_of(embeddings: np.ndarray, views: int) -> np.ndarray:
    return embeddings.reshape(len(embeddings), views, -1)


def _whiten(nuisance: Nuisance, views: np.ndarray, config: AttributionConfig) -> BatchWhitening:
    return fit_batch(
        nuisance,
        views,
        dimensions=config.dimensions,
        shrinkage=config.shrinkage,
        emphasis=config.emphasis,
        condition_components=config.condition_components,
    )


def _reference(nuisance: Nuisance, whitening: BatchWhitening) -> dict[str, np.ndarray]:
    """Development generators' points `[M, C]`, under the conditions of the batch."""
    points = whitening.transform(nuisance.under(whitening.weights))
    names = np.unique(nuisance.labels).tolist()
    return {name: points[nuisance.labels == name] for name in names}


def _distances(
    groups: list[np.ndarray], known: dict[str, np.ndarray], config: AttributionConfig
) -> np.ndarray:
    """`[K, G]` distances of groups of points from the development generators."""
    return distances(
        groups,
        list(known.values()),
        prior=config.open_world.prior,
        independent=config.independent,
    )


def leave_one_generator_out(
    nuisance: Nuisance, views: dict[str, np.ndarray], config: AttributionConfig, *, seed: int
) -> Iterator[tuple[str, str, Nuisance, np.ndarray, np.ndarray]]:
    """Open-world folds of the development images, under every condition.

    Half of the images of all generators but one are the reference; the other half and all of the
    generator held out are the query.

    Args:
        views: condition to `[M, V, P]` reduced features of the development images.

    Yields:
        The generator held out, the condition, the reference's nuisance, the query's views
        `[Q, V, P]` and its generators `[Q]`.
    """
    random = np.random.default_rng(seed)
    half = np.zeros(len(nuisance.labels), dtype=bool)
    for name in np.unique(nuisance.labels):
        rows = random.permutation(np.flatnonzero(nuisance.labels == name))
        half[rows[: len(rows) // 2]] = True
    for held_out in np.unique(nuisance.labels):
        known = half & (nuisance.labels != held_out)
        if known.sum() < 2:
            continue
        reference = Nuisance(
            nuisance.mean,
            nuisance.basis,
            nuisance.copies[:, known],
            nuisance.labels[known],
            nuisance.conditions,
        )
        for condition, features in views.items():
            yield held_out, condition, reference, features[~known], nuisance.labels[~known]


def calibrate(
    nuisance: Nuisance, views: dict[str, np.ndarray], config: AttributionConfig, *, seed: int
) -> Calibration:
    """Learn from open-world folds how far apart groups of one generator come to lie."""
    found, same = [np.empty(0)], [np.empty(0, dtype=bool)]
    folds = leave_one_generator_out(nuisance, views, config, seed=seed)
    random = np.random.default_rng(seed)
    for _, _, reference, query, generators in folds:
        whitening = _whiten(reference, query, config)
        points = whitening.transform(query.mean(axis=1))
        known = _reference(reference, whitening)
        groups, present = [], []
        for name in np.unique(generators):
            rows = np.flatnonzero(generators == name)
            for size in GROUP_SIZES:
                groups.append(points[random.permutation(rows)[:size]])
                present.append(name)
        found.append(_distances(groups, known, config).ravel())
        same.append((np.array(present)[:, None] == np.array(list(known))).ravel())
    return Calibration.fit(np.concatenate(found), np.concatenate(same))


@dataclass(frozen=True)
class FittedAttributor:
    """An extractor with the nuisance, the calibration and the names it learned."""

    extractor: Extractor
    nuisance: Nuisance
    calibration: Calibration
    config: AttributionConfig
    seed: int

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings `[N, V * P]` float32 of `[N, H, W]` uint8 images of one size."""
        views = _views_of(self.extractor.embed(images), self.extractor.views)
        return self.nuisance.reduce(views).reshape(len(images), -1)

    def embed_stream(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """Embeddings of batches of images, of which one is held at a time; sizes may differ."""
        return np.concatenate([self.embed(batch) for batch in batches])

    def cluster(self, embeddings: np.ndarray, *, clusters: int | None) -> Attribution:
        """Cluster and name `[N, V * P]` embeddings.

        Args:
            clusters: how many generators, or None to find out.

        Raises:
            UserError: no image, or fewer images than clusters.
        """
        if len(embeddings) == 0 or (clusters is not None and not 1 <= clusters <= len(embeddings)):
            raise UserError(
                f"{len(embeddings)} images cannot be {clusters or 1} clusters; give at least one "
                "image, and a number of clusters from 1 to the number of images"
            )
        views = _views_of(embeddings, self.extractor.views)
        whitening = _whiten(self.nuisance, views, self.config)
        points = whitening.transform(views.mean(axis=1))
        labels = discover(
            points,
            self.config.open_world,
            count=clusters,
            seed=self.seed,
            conditions=whitening.conditions,
        )
        known = _reference(self.nuisance, whitening)
        groups, names, scores = self._name(points, labels, known)
        joined = join_known(labels, names, tuple(known))
        if clusters is None and joined.max() < labels.max():
            labels = joined
            groups, names, scores = self._name(points, labels, known)
        shapes = GaussianClusters.fit(points, labels, prior=self.config.open_world.prior)
        membership = shapes.posteriors(points)[np.arange(len(points)), labels]
        return Attribution(
            labels=labels,
            names=names,
            image_scores=membership * scores[labels],
            scores=scores,
            linkage=lineage(groups),
            conditions=dict(zip(self.nuisance.conditions, whitening.weights.tolist(), strict=True)),
            points=points,
        )

    def _name(
        self, points: np.ndarray, labels: np.ndarray, known: dict[str, np.ndarray]
    ) -> tuple[list[np.ndarray], tuple[str, ...], np.ndarray]:
        """The clusters' points, names and scores."""
        groups = [points[labels == label] for label in range(labels.max() + 1)]
        apart = _distances(groups, known, self.config)
        return groups, *name_clusters(apart, tuple(known), self.calibration)

    def attribute(self, images: np.ndarray, *, clusters: int | None) -> Attribution:
        """Cluster and name `[N, H, W]` uint8 images; see `cluster`."""
        return self.cluster(self.embed(images), clusters=clusters)

    def save(self, folder: Path) -> None:
        """Write the extractor, the arrays and the settings; nothing is pickled."""
        self.extractor.save(folder / "extractor")
        self.nuisance.save(folder / "nuisance.npz")
        settings = {"config": asdict(self.config), "calibration": asdict(self.calibration)}
        write_json(folder / "attributor.json", {**settings, "seed": self.seed})

    @classmethod
    def load(cls, folder: Path, extractor: Extractor) -> "FittedAttributor":
        """Read what `save` wrote; the extractor is loaded by its own class."""
        stored = read_json(folder / "attributor.json", stage="train")
        config = stored["config"]
        return cls(
            extractor=extractor,
            nuisance=Nuisance.load(folder / "nuisance.npz"),
            calibration=Calibration(**stored["calibration"]),
            config=AttributionConfig(
                **{
                    **config,
                    "conditions": tuple(config["conditions"]),
                    "open_world": OpenWorld(**config["open_world"]),
                }
            ),
            seed=stored["seed"],
        )


def fit(
    extractor: Extractor,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    config: AttributionConfig,
    seed: int,
) -> FittedAttributor:
    """Learn from development images alone what one generator varies in.

    Args:
        extractor: fixed, or trained on these images already.
        images: `[M, H, W]` uint8. labels: `[M]`, their generators.

    Raises:
        UserError: the conditions leave out `clean`, or there are too few images.
    """
    if CLEAN not in config.conditions:
        raise UserError(f"attribution conditions need '{CLEAN}', got {list(config.conditions)}")
    if len(images) < 4:
        raise UserError(f"{len(images)} development images are too few; give at least four")
    features = {}
    for condition in config.conditions:
        copies = degrade(images, condition, seed=seed)
        features[condition] = _views_of(extractor.embed(copies), extractor.views)
    means = {condition: views.mean(axis=1) for condition, views in features.items()}
    nuisance = Nuisance.fit(means, np.asarray(labels), components=config.components)
    reduced = {condition: nuisance.reduce(views) for condition, views in features.items()}
    with small_matrices():
        calibration = calibrate(nuisance, reduced, config, seed=seed)
    return FittedAttributor(extractor, nuisance, calibration, config, seed)
