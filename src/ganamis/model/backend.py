"""The back end: from embeddings to generators, whatever extractor they come from.

It is fitted on images whose generators are known, and answers about any others: about a folder
together (how many generators, which image from which, which of them are known) or image by image.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ganamis.clustering.methods import OPEN_WORLD, Partition, Space, partition, prepare
from ganamis.clustering.mixture import GaussianClusters
from ganamis.clustering.nuisance import Nuisance, within_image_scatter
from ganamis.clustering.open_world import small_matrices
from ganamis.contracts import UNASSIGNED, Embedded, Reference
from ganamis.errors import UserError
from ganamis.model.alone import Alone, calibrate_alone, nearest_known
from ganamis.model.answer import UNKNOWN, Attribution, Cluster, Rule, SingleAnswers
from ganamis.model.calibration import calibrate_names, group_distances, known_points
from ganamis.model.naming import Calibration, lineage, name_clusters
from ganamis.params import ModelSettings

UNCALIBRATED = Calibration(slope=-1.0, intercept=0.0, threshold=0.5)
COPIES, SCATTER = np.float16, np.float32  # how exactly they are kept, in memory as in storage


def rounded(values: np.ndarray, kept: type[np.floating]) -> np.ndarray:
    """As they come back from storage, so that a model read back answers to the last digit alike.

    Values out of range, as an extractor that has not learned may give, come to lie at its end.
    """
    most = float(np.finfo(kept).max)
    return np.clip(values, -most, most).astype(kept).astype(values.dtype)


@dataclass(frozen=True, eq=False)
class BackEnd:
    """What was learned of generators.

    nuisance: what varies inside one generator, on images under several conditions. image_scatter:
    `[P, P]`, of the views of one clean image. known: the generators it can name, sorted; others in
    `nuisance` only teach what varies. clusterer: one of `clustering.methods.CLUSTERERS`. naming,
    single: calibrations of clusters' names and of single images. seed: of every draw.
    """

    nuisance: Nuisance
    image_scatter: np.ndarray
    known: tuple[str, ...]
    settings: ModelSettings
    seed: int
    clusterer: str = OPEN_WORLD
    naming: Calibration = UNCALIBRATED
    single: Calibration = UNCALIBRATED

    @classmethod
    def fit(cls, reference: Reference, *, settings: ModelSettings, seed: int) -> "BackEnd":
        """Learn from labelled images what one generator varies in; `calibrated` comes after.

        Raises:
            UserError: fewer than four images.
        """
        images = len(reference.generators)
        if images < 4:
            raise UserError(f"{images} labelled images are too few; give at least four")
        nuisance = Nuisance.fit(
            reference.conditions, reference.generators, components=settings.open_world.components
        )
        nuisance = replace(nuisance, copies=rounded(nuisance.copies, COPIES))
        views = nuisance.reduce(reference.features.reshape(images, reference.views, -1))
        scatter = rounded(within_image_scatter(views), SCATTER)
        known = tuple(np.unique(reference.generators).tolist())
        return cls(nuisance, scatter, known, settings, seed)

    def named(self) -> "BackEnd":
        """The same, its naming of clusters calibrated by leaving generators out."""
        with small_matrices():
            naming = calibrate_names(
                self.nuisance, self.image_scatter, settings=self.settings, seed=self.seed
            )
        return replace(self, naming=naming)

    def calibrated(self) -> "BackEnd":
        """The same, its naming of clusters and of single images calibrated."""
        with small_matrices():
            single = calibrate_alone(self.nuisance, settings=self.settings, seed=self.seed)
        return replace(self.named(), single=single)

    def reduce(
        self, raw: np.ndarray, ids: np.ndarray, content: np.ndarray, *, views: int
    ) -> Embedded:
        """Bring `[N, V * D]` features of the extractor into the basis learned.

        Args:
            ids: `[N]` str. content: `[N, C]`, `content_descriptors` of the images. views: V.
        """
        reduced = self.nuisance.reduce(raw.reshape(len(raw), views, -1))
        return Embedded(ids, reduced.reshape(len(raw), -1), content, views)

    def space(self, batch: Embedded) -> Space:
        """The whitened space in which a batch is clustered."""
        return prepare(self.clusterer, batch, self.nuisance, settings=self.settings)

    def together(
        self, batch: Embedded, *, clusters: int | None = None, sample: Embedded | None = None
    ) -> Attribution:
        """Attribute images together: the open-world answer.

        An image that occurs several times counts once. Beyond `settings.sample` images, those
        whose ids come first, as good as drawn at random, are clustered, and the others assigned.

        Args:
            clusters: how many generators, or None to find out.
            sample: those that are clustered, with all their views, where `batch` holds the means
                over views alone.

        Raises:
            UserError: no image, or fewer different images than clusters.
        """
        ids, first, inverse = np.unique(batch.ids, return_index=True, return_inverse=True)
        if not 1 <= (clusters or 1) <= len(ids):
            copies = f" ({len(batch)} images, but copies of one another count once)"
            raise UserError(
                f"{len(ids)} different images cannot be {clusters or 1} clusters"
                f"{copies if len(ids) < len(batch) else ''}; give at least one image, and a number "
                "of clusters from 1 to the number of different images"
            )
        searched = batch.rows(first[: self.settings.sample]) if sample is None else sample
        found = self.search(searched, clusters=clusters)
        return found.rows(inverse) if len(found.ids) == len(ids) else found.extended(batch)

    def partition(self, batch: Embedded, *, clusters: int | None) -> Partition:
        """Cluster different images, all of them at once, without naming the clusters."""
        with small_matrices():
            return partition(
                self.clusterer,
                batch,
                self.space(batch),
                count=clusters,
                settings=self.settings,
                seed=self.seed,
            )

    def search(self, batch: Embedded, *, clusters: int | None) -> Attribution:
        """Cluster and name different images, all of them at once; see `together`."""
        found = self.partition(batch, clusters=clusters)
        named = self._name(found.space, found.labels)
        return self._answer(batch, found, named)

    def _answer(self, batch: Embedded, found: Partition, named: tuple[Cluster, ...]) -> Attribution:
        space, labels = found.space, found.labels
        inside = labels != UNASSIGNED
        prior = self.settings.open_world.search.prior
        shapes = GaussianClusters.fit(space.points[inside], labels[inside], prior=prior)
        membership = shapes.posteriors(space.points)[np.arange(len(labels)), labels]
        compared = any(cluster.known for cluster in named)
        shares = zip(self.nuisance.conditions, space.weights.tolist(), strict=True)
        return Attribution(
            ids=batch.ids,
            labels=labels,
            membership=np.where(inside, membership, 0.0),
            clusters=named,
            confidence=found.confidence,
            linkage=lineage([space.points[labels == label] for label in range(len(named))]),
            conditions=dict(shares) if compared else {},
            points=space.points,
            rule=Rule(space.whitening, shapes),
        )

    def _name(self, space: Space, labels: np.ndarray) -> tuple[Cluster, ...]:
        groups = [space.points[labels == label] for label in range(labels.max() + 1)]
        known = known_points(self.nuisance, space, self.known)
        apart = group_distances(groups, known, settings=self.settings)
        return name_clusters(apart, self.known, self.naming)

    def alone(self, batch: Embedded) -> SingleAnswers:
        """Attribute each image on its own to a known generator, or to none of them."""
        numbers = self.settings.open_world
        conditions = self.nuisance.posteriors(
            batch.means, components=numbers.condition_components, shrinkage=numbers.shrinkage
        ).argmax(axis=1)
        if not self.known:
            nobody = np.full(len(batch), False)
            return SingleAnswers(np.full(len(batch), UNKNOWN), nobody, np.ones(len(batch)))
        nearest, known, scores = nearest_known(
            self._alone.distances(batch.means, conditions), self.single
        )
        return SingleAnswers(np.where(known, np.array(self.known)[nearest], UNKNOWN), known, scores)

    @cached_property
    def _alone(self) -> Alone:
        known = np.array(self.known)
        return Alone.fit(self.nuisance, known, settings=self.settings, seed=self.seed)
