"""One image on its own: the known generator it is nearest to, or none of them.

One image tells neither what else is in its batch nor what that batch has met, but the processing
it met itself shows. So it is compared under that condition alone, and nothing is projected away:
a generator never seen differs in directions that the known ones do not show.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from ganamis.clustering.nuisance import Nuisance, inverse_root, shrunk, within_scatter
from ganamis.clustering.whitening import Whitening
from ganamis.model.naming import Calibration
from ganamis.params import ModelSettings


@dataclass(frozen=True, eq=False)
class Alone:
    """Known generators under every condition.

    whitenings: of each condition, from P components. homes: for each, `[G, P]` centres in its
    space. scales: `[conditions]`, the median distance of known images that did not teach it.
    """

    whitenings: tuple[Whitening, ...]
    homes: tuple[np.ndarray, ...]
    scales: np.ndarray

    @classmethod
    def fit(
        cls, nuisance: Nuisance, known: np.ndarray, *, settings: ModelSettings, seed: int
    ) -> "Alone":
        """Learn the spaces from the development images.

        Args:
            known: `[G]` str, the generators to compare with.
        """
        shrinkage = settings.open_world.shrinkage
        part = _parts(nuisance.labels, parts=settings.naming.parts, seed=seed)
        whitenings, homes, scales = [], [], []
        for copies in nuisance.copies:
            whitening, centres = _space(copies, nuisance.labels, known, shrinkage=shrinkage)
            left_out = [
                _nearest(
                    copies[asked],
                    *_space(copies[taught], nuisance.labels[taught], known, shrinkage=shrinkage),
                )
                for taught, asked in _splits(part, np.isin(nuisance.labels, known))
            ]
            whitenings.append(whitening)
            homes.append(centres)
            scales.append(float(np.median(np.concatenate(left_out))) if left_out else 1.0)
        return cls(tuple(whitenings), tuple(homes), np.array(scales))

    def distances(self, points: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        """`[N, G]` distances from the known generators, 1 being a known image's median.

        Args:
            points: `[N, P]` features averaged over views. conditions: `[N]` int.
        """
        apart = np.empty((len(points), len(self.homes[0])))
        for condition in np.unique(conditions):
            rows = conditions == condition
            squared = _squared(points[rows], self.whitenings[condition], self.homes[condition])
            apart[rows] = np.sqrt(squared) / self.scales[condition]
        return apart


def calibrate_alone(nuisance: Nuisance, *, settings: ModelSettings, seed: int) -> Calibration:
    """Learn from folds with one generator held out how far known and unseen images lie.

    Half of the images of the other generators teach; the other half and all of the one held out
    are asked about, under every condition, which is estimated as for any image.
    """
    part = _parts(nuisance.labels, parts=2, seed=seed)
    names = np.unique(nuisance.labels)
    found, same = [np.empty(0)], [np.empty(0, dtype=bool)]
    numbers = settings.open_world
    for held_out in names[:: max(1, -(-len(names) // settings.naming.folds))]:
        taught = (part == 0) & (nuisance.labels != held_out)
        known = names[names != held_out]
        if not len(known) or taught.sum() < 2:
            continue
        reference = nuisance.rows(taught)
        model = Alone.fit(reference, known, settings=settings, seed=seed)
        of_known = nuisance.labels[~taught] != held_out
        for copies in nuisance.copies:
            asked = copies[~taught]
            conditions = nuisance.posteriors(
                asked, components=numbers.condition_components, shrinkage=numbers.shrinkage
            ).argmax(axis=1)
            found.append(model.distances(asked, conditions).min(axis=1))
            same.append(of_known)
    return Calibration.fit(np.concatenate(found), np.concatenate(same))


def nearest_known(
    distances: np.ndarray, calibration: Calibration
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of `[N, G]` distances: the nearest generator `[N]` int, whether it is accepted `[N]` bool,
    and the probability `[N]` that this answer is right."""
    nearest = distances.argmin(axis=1)
    belongs = calibration.probability(distances.min(axis=1))
    accepted = belongs >= calibration.threshold
    share = softmax(-(distances**2) / 2, axis=1).max(axis=1)
    return nearest, accepted, np.where(accepted, belongs * share, 1 - belongs)


def _space(
    copies: np.ndarray, labels: np.ndarray, known: np.ndarray, *, shrinkage: float
) -> tuple[Whitening, np.ndarray]:
    inside = shrunk(within_scatter(copies, labels), shrinkage=shrinkage)
    whitening = Whitening(copies.mean(axis=0, dtype=np.float64), inverse_root(inside))
    points = whitening.transform(copies)
    return whitening, np.stack([points[labels == name].mean(axis=0) for name in known])


def _squared(points: np.ndarray, whitening: Whitening, homes: np.ndarray) -> np.ndarray:
    white = whitening.transform(points)
    squares = (white**2).sum(axis=1)[:, None] - 2 * white @ homes.T + (homes**2).sum(axis=1)
    return np.maximum(squares, 0.0)


def _nearest(points: np.ndarray, whitening: Whitening, homes: np.ndarray) -> np.ndarray:
    return np.sqrt(_squared(points, whitening, homes).min(axis=1))


def _parts(labels: np.ndarray, *, parts: int, seed: int) -> np.ndarray:
    """Which of `parts` each image `[M]` falls into, every generator shared among all."""
    random = np.random.default_rng(seed)
    part = np.empty(len(labels), dtype=int)
    for name in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == name))
        part[rows] = np.arange(len(rows)) % parts
    return part


def _splits(part: np.ndarray, known: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images that teach and known images that are asked about, for each part in turn."""
    for index in range(part.max() + 1):
        asked = (part == index) & known
        if asked.any() and (part != index).sum() > 1:
            yield part != index, asked
