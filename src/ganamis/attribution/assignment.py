"""Where a single image belongs: the nearest centre, or none of them.

One image tells neither what else is in its batch nor what it has met on its way. So the space is
learned from development and its degraded copies, all conditions weighing the same, and nothing is
projected away: a generator never seen differs in directions that the known ones do not show.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from ganamis.attribution.known_models import Calibration
from ganamis.clustering.nuisance import Nuisance, inverse_root, shrunk
from ganamis.clustering.whitening import Whitening
from ganamis.contracts import UNASSIGNED, Fold, Reference, view_means
from ganamis.data.degradations import CLEAN


@dataclass(frozen=True)
class Assignment:
    """Centres in the space where what varies inside a generator has the identity as covariance.

    centres: `[K, C]`. names: K names, a development generator's or `unknown-1`, ...
    scale: median distance of known images from their centre, in a space fitted without them.
    calibration: probability that an image is of its nearest centre, from its distance / scale.
    """

    whitening: Whitening
    views: int
    centres: np.ndarray
    names: tuple[str, ...]
    scale: float
    calibration: Calibration

    def assign(self, features: np.ndarray) -> pd.DataFrame:
        """Attribute `[N, V * D]` embeddings.

        Returns:
            `cluster` (int, -1 where every centre is rejected), `generator` (the centre's name, or
            `unknown`), `score` (probability in [0, 1] that this answer is right) and `unknown`
            (bool, True where the answer is no development generator).
        """
        squared = squared_distances(self.whitening, self.centres, view_means(features, self.views))
        nearest = squared.argmin(axis=1)
        belongs = self.calibration.probability(np.sqrt(squared.min(axis=1)) / self.scale)
        inside = belongs >= self.calibration.threshold
        names = np.where(inside, np.array(self.names)[nearest], "unknown")
        share = softmax(-squared / 2, axis=1).max(axis=1)
        return pd.DataFrame(
            {
                "cluster": np.where(inside, nearest, UNASSIGNED),
                "generator": names,
                "score": np.where(inside, belongs * share, 1 - belongs),
                "unknown": np.array([name.startswith("unknown") for name in names]),
            }
        )

    def save(self, path: Path) -> None:
        """Write one `.npz` file without pickled objects."""
        calibration = self.calibration
        np.savez(
            path,
            mean=self.whitening.mean,
            matrix=self.whitening.matrix,
            views=self.views,
            centres=self.centres,
            names=np.array(self.names),
            scale=self.scale,
            calibration=[calibration.slope, calibration.intercept, calibration.threshold],
        )

    @classmethod
    def load(cls, path: Path) -> "Assignment":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(
                whitening=Whitening(stored["mean"], stored["matrix"]),
                views=int(stored["views"]),
                centres=stored["centres"],
                names=tuple(stored["names"].tolist()),
                scale=float(stored["scale"]),
                calibration=Calibration(*stored["calibration"].tolist()),
            )


@dataclass(frozen=True)
class SpaceSettings:
    """components: of the basis learned on all copies. shrinkage: of the covariance inside one."""

    components: int
    shrinkage: float


def squared_distances(
    whitening: Whitening, centres: np.ndarray, features: np.ndarray
) -> np.ndarray:
    """`[N, K]` squared distances of `[N, D]` features, averaged over views, from K centres."""
    points = whitening.transform(features)
    squares = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T
    return np.maximum(squares + (centres**2).sum(axis=1), 0.0)


def single_image_space(reference: Reference, settings: SpaceSettings) -> Whitening:
    """Whiten by what varies inside one generator, every condition weighing the same.

    What conditions change in a generator is part of it: a single image may have met any of them.
    """
    copies = {CLEAN: reference.features, **reference.copies}
    nuisance = Nuisance.fit(copies, reference.generators, components=settings.components)
    inside, between = nuisance.scatter(np.full(len(copies), 1 / len(copies)))
    matrix = inverse_root(shrunk(inside, shrinkage=settings.shrinkage) + between)
    return Whitening(mean=nuisance.mean, matrix=nuisance.basis @ matrix)


def fit_assignment(
    features: np.ndarray,
    labels: np.ndarray,
    reference: Reference,
    folds: Iterable[Fold],
    *,
    views: int,
    settings: SpaceSettings,
    parts: int,
    seed: int,
) -> Assignment:
    """Turn clusters into an assignment rule for images seen one at a time.

    A cluster takes the name of the development generator that most of its images are assigned to,
    if no other cluster has more of them; other clusters are called unknown. A development
    generator with no cluster keeps its own centre.

    Args:
        features: `[N, V * D]` clustered embeddings and labels: `[N]` int, -1 for unassigned.
        folds: development with one generator held out; they teach the rejection threshold.
        parts: of the cross-validation that measures `scale`.
    """
    whitening = single_image_space(reference, settings)
    homes, generators = _homes(whitening, reference)
    known = Assignment(
        whitening=whitening,
        views=views,
        centres=homes,
        names=generators,
        scale=_scale(reference, settings, parts=parts, seed=seed),
        calibration=calibrate(folds, settings),
    )
    clusters = sorted(set(labels.tolist()) - {UNASSIGNED})
    titles = _titles(known.assign(features), labels, clusters, generators)
    points = whitening.transform(view_means(features, views))
    centres = [points[labels == cluster].mean(axis=0) for cluster in clusters]
    absent = [index for index, name in enumerate(generators) if name not in titles]
    return Assignment(
        whitening=whitening,
        views=views,
        centres=np.stack(centres + [homes[index] for index in absent]),
        names=tuple(titles + [generators[index] for index in absent]),
        scale=known.scale,
        calibration=known.calibration,
    )


def calibrate(folds: Iterable[Fold], settings: SpaceSettings) -> Calibration:
    """Learn from open-world folds how far off images of known and of unseen generators lie.

    In each fold the space knows neither the held-out generator nor any image that is asked about,
    and every condition is asked. Distances are divided by the median of the known clean images.
    """
    distances, same = [np.empty(0)], [np.empty(0, dtype=bool)]
    for fold in folds:
        asked = fold.query
        known = fold.generators[asked] != fold.held_out
        if not fold.reference.any() or not known.any():
            continue
        whitening = single_image_space(fold.taught, settings)
        homes, _ = _homes(whitening, fold.taught)
        clean = view_means(fold.embeddings.features, fold.embeddings.views)
        found = [
            np.sqrt(squared_distances(whitening, homes, copy[asked]).min(axis=1))
            for copy in (clean, *fold.copies.values())
        ]
        distances.append(np.concatenate(found) / np.median(found[0][known]))
        same.append(np.tile(known, len(found)))
    return Calibration.fit(np.concatenate(distances), np.concatenate(same))


def _homes(whitening: Whitening, reference: Reference) -> tuple[np.ndarray, tuple[str, ...]]:
    """Centres `[G, C]` of the development generators, and their names."""
    points = whitening.transform(reference.features)
    names = tuple(np.unique(reference.generators).tolist())
    return np.stack([points[reference.generators == name].mean(axis=0) for name in names]), names


def _scale(reference: Reference, settings: SpaceSettings, *, parts: int, seed: int) -> float:
    """Median distance of development images from their nearest centre, by cross-validation.

    Images that taught the space lie nearer than those that come later.
    """
    random = np.random.default_rng(seed)
    part = np.empty(len(reference.generators), dtype=int)
    for name in np.unique(reference.generators):
        rows = random.permutation(np.flatnonzero(reference.generators == name))
        part[rows] = np.arange(len(rows)) % parts
    distances = []
    for taught, asked in _splits(part, parts):
        whitening = single_image_space(reference.rows(taught), settings)
        homes, _ = _homes(whitening, reference.rows(taught))
        squared = squared_distances(whitening, homes, reference.features[asked])
        distances.append(np.sqrt(squared.min(axis=1)))
    return float(np.median(np.concatenate(distances)))


def _splits(part: np.ndarray, parts: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for index in range(parts):
        if (part == index).any() and (part != index).sum() > 1:
            yield part != index, part == index


def _titles(
    found: pd.DataFrame, labels: np.ndarray, clusters: list[int], generators: tuple[str, ...]
) -> list[str]:
    """A name for each cluster: a generator that claims most of it, or `unknown-1`, ..."""
    votes = np.array(
        [
            [((found["generator"] == name) & (labels == cluster)).sum() for name in generators]
            for cluster in clusters
        ]
    ).reshape(len(clusters), len(generators))
    titles, unknown = [], 0
    for index, cluster in enumerate(clusters):
        nearest = int(votes[index].argmax())
        most = votes[index, nearest] > (labels == cluster).sum() / 2
        if most and votes[:, nearest].argmax() == index:
            titles.append(generators[nearest])
        else:
            unknown += 1
            titles.append(f"unknown-{unknown}")
    return titles
