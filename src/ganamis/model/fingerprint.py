"""The one model: from images to generators, their number unknown, with or without labels.

It is fitted on images whose generators are known, and answers about any others: about a folder
together (how many generators, which image from which, which of them are known) or image by image.
Embedding is apart from both, so that images may stream and only their embeddings be kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ganamis.clustering.methods import OPEN_WORLD, Space, partition, prepare
from ganamis.clustering.mixture import GaussianClusters
from ganamis.clustering.nuisance import Nuisance, within_image_scatter
from ganamis.clustering.open_world import small_matrices
from ganamis.contracts import UNASSIGNED, Embedded, Extractor, Reference
from ganamis.data.content import content_descriptors
from ganamis.data.images import pixel_digest
from ganamis.errors import UserError
from ganamis.model.alone import Alone, calibrate_alone, nearest_known
from ganamis.model.answer import UNKNOWN, Attribution, Cluster, Rule, SingleAnswers
from ganamis.model.calibration import calibrate_names, group_distances, known_points
from ganamis.model.naming import Calibration, join_known, lineage, name_clusters
from ganamis.params import ModelSettings

UNCALIBRATED = Calibration(slope=-1.0, intercept=0.0, threshold=0.5)


@dataclass(frozen=True, eq=False)
class FingerprintModel:
    """An extractor with what was learned of generators.

    nuisance: what varies inside one generator, on images under several conditions. image_scatter:
    `[P, P]`, of the views of one clean image. known: the generators it can name, sorted; others in
    `nuisance` only teach what varies. clusterer: one of `clustering.methods.CLUSTERERS`. naming,
    single: calibrations of clusters' names and of single images. seed: of every draw.
    """

    extractor: Extractor
    nuisance: Nuisance
    image_scatter: np.ndarray
    known: tuple[str, ...]
    settings: ModelSettings
    seed: int
    clusterer: str = OPEN_WORLD
    naming: Calibration = UNCALIBRATED
    single: Calibration = UNCALIBRATED

    @classmethod
    def fit(
        cls, extractor: Extractor, reference: Reference, *, settings: ModelSettings, seed: int
    ) -> "FingerprintModel":
        """Learn from labelled images what one generator varies in; `calibrated` comes after.

        Args:
            extractor: that `reference` was embedded with.

        Raises:
            UserError: fewer than four images.
        """
        images = len(reference.generators)
        if images < 4:
            raise UserError(f"{images} labelled images are too few; give at least four")
        nuisance = Nuisance.fit(
            reference.conditions, reference.generators, components=settings.open_world.components
        )
        views = nuisance.reduce(reference.features.reshape(images, reference.views, -1))
        known = tuple(np.unique(reference.generators).tolist())
        return cls(extractor, nuisance, within_image_scatter(views), known, settings, seed)

    def calibrated(self) -> "FingerprintModel":
        """The same model, its names and single images calibrated by leaving generators out."""
        with small_matrices():
            naming = calibrate_names(
                self.nuisance, self.image_scatter, settings=self.settings, seed=self.seed
            )
            single = calibrate_alone(self.nuisance, settings=self.settings, seed=self.seed)
        return replace(self, naming=naming, single=single)

    def embed(self, images: np.ndarray, ids: Iterable[str] | None = None) -> Embedded:
        """Embed `[N, H, W]` uint8 images of one size.

        Args:
            ids: of the images; the digests of their pixels if left out.
        """
        named = [pixel_digest(image) for image in images] if ids is None else list(ids)
        raw = self.extractor.embed(images)
        return self.reduce(raw, np.array(named, dtype=str), content_descriptors(images))

    def reduce(self, raw: np.ndarray, ids: np.ndarray, content: np.ndarray) -> Embedded:
        """Bring `[N, V * D]` features of the extractor into the model's basis."""
        views = self.extractor.views
        reduced = self.nuisance.reduce(raw.reshape(len(raw), views, -1))
        return Embedded(ids, reduced.reshape(len(raw), -1), content, views)

    def space(self, batch: Embedded) -> Space:
        """The whitened space in which a batch is clustered."""
        return prepare(self.clusterer, batch, self.nuisance, settings=self.settings)

    def together(self, batch: Embedded, *, clusters: int | None = None) -> Attribution:
        """Attribute images together: the open-world answer.

        An image that occurs several times counts once. Beyond `settings.sample` images, those
        whose ids come first, as good as drawn at random, are clustered, and the others assigned.

        Args:
            clusters: how many generators, or None to find out.

        Raises:
            UserError: no image, or fewer different images than clusters.
        """
        ids, first, inverse = np.unique(batch.ids, return_index=True, return_inverse=True)
        if not 1 <= (clusters or 1) <= len(ids):
            raise UserError(
                f"{len(ids)} different images cannot be {clusters or 1} clusters; give at least "
                "one image, and a number of clusters from 1 to the number of different images"
            )
        found = self.search(batch.rows(first[: self.settings.sample]), clusters=clusters)
        return found.rows(inverse) if len(found.ids) == len(ids) else found.extended(batch)

    def search(self, batch: Embedded, *, clusters: int | None) -> Attribution:
        """Cluster and name different images, all of them at once; see `together`."""
        space = self.space(batch)
        with small_matrices():
            labels = partition(
                self.clusterer,
                batch,
                space,
                count=clusters,
                settings=self.settings,
                seed=self.seed,
            )
        if labels is None:
            raise UserError(f"clusterer '{self.clusterer}' cannot be given a number of clusters")
        named = self._name(space, labels)
        joined = join_known(labels, named)
        if clusters is None and joined.max() < labels.max():
            labels, named = joined, self._name(space, joined)
        return self._answer(batch, space, labels, named)

    def _answer(
        self, batch: Embedded, space: Space, labels: np.ndarray, named: tuple[Cluster, ...]
    ) -> Attribution:
        inside = labels != UNASSIGNED
        prior = self.settings.open_world.search.prior
        shapes = GaussianClusters.fit(space.points[inside], labels[inside], prior=prior)
        membership = shapes.posteriors(space.points)[np.arange(len(labels)), labels]
        return Attribution(
            ids=batch.ids,
            labels=labels,
            membership=np.where(inside, membership, 0.0),
            clusters=named,
            confidence=None,
            linkage=lineage([space.points[labels == label] for label in range(len(named))]),
            conditions=dict(zip(self.nuisance.conditions, space.weights.tolist(), strict=True)),
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
