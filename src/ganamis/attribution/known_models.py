"""Name a cluster after a development generator, or say that it is none of them."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ganamis.clustering.separation import (
    LEAST_DISTANCE,
    fisher_projection,
    local_coordinates,
    standard_distance,
)

UNKNOWN = "unknown"


def group_distance(
    first: np.ndarray, second: np.ndarray, *, dimensions: int, prior: float
) -> float:
    """Distance of two groups of whitened points in standard deviations inside a group.

    Along the cross-fitted Fisher axis; for groups too small for one, the Mahalanobis distance of
    the means less its bias, `C (1 / A + 1 / B)`.

    Args:
        first: `[A, C]`. second: `[B, C]`.
    """
    points = local_coordinates(np.concatenate([first, second]), dimensions=dimensions)
    belongs = np.arange(len(points)) >= len(first)
    positions = fisher_projection(points, belongs, prior=prior)
    if positions is not None:
        return max(0.0, standard_distance(positions, belongs))
    apart = first.mean(axis=0) - second.mean(axis=0)
    bias = first.shape[1] * (1 / len(first) + 1 / len(second))
    return float(np.sqrt(max(0.0, apart @ apart - bias)))


@dataclass(frozen=True)
class Calibration:
    """Probability that two groups at a distance come from one generator: a logistic function.

    slope and intercept: of the log odds against the distance. threshold: probability from which
    a cluster takes the name of a development generator.
    """

    slope: float
    intercept: float
    threshold: float

    @classmethod
    def fit(cls, distances: np.ndarray, same: np.ndarray) -> "Calibration":
        """Platt scaling (Platt 1999) of `[N]` distances; same: `[N]` bool, of one generator.

        The logistic function's slope is fitted; its even odds, the rejection threshold, are put
        where the examples, from leave-one-generator-out, are told apart with the fewest mistakes:
        halfway across the gap, if there is one. Without examples of both kinds they are at the
        distance of two halves of one Gaussian.
        """
        if min(len(np.unique(same)), len(np.unique(distances))) < 2:
            return cls(slope=-2.0, intercept=2.0 * LEAST_DISTANCE, threshold=0.5)
        model = LogisticRegression(class_weight="balanced").fit(distances[:, None], same)
        slope = min(float(model.coef_[0, 0]), -1e-6)
        ordered = np.unique(distances)
        cuts = (ordered[1:] + ordered[:-1]) / 2
        mistakes = [_balanced_error(distances <= cut, same) for cut in cuts]
        best = np.flatnonzero(np.isclose(mistakes, np.min(mistakes)))
        cut = float(np.median(cuts[best]))
        return cls(slope, intercept=-slope * cut, threshold=0.5)

    def probability(self, distances: np.ndarray) -> np.ndarray:
        """Probabilities, of the shape of `distances`."""
        return expit(self.slope * distances + self.intercept)


def _balanced_error(claimed: np.ndarray, same: np.ndarray) -> float:
    return float(np.mean(~claimed[same]) + np.mean(claimed[~same]))


def name_clusters(
    distances: np.ndarray, generators: tuple[str, ...], calibration: Calibration
) -> tuple[tuple[str, ...], np.ndarray]:
    """Name K clusters, by their distances `[K, G]` to the development generators.

    Two clusters may take one name: naming is not matching; `join_known` joins them.

    Returns:
        K names, and scores `[K]`: the probability that the name is right, in [0, 1].
    """
    names, scores, unknown = [], [], 0
    for row in calibration.probability(distances):
        nearest = int(np.argmax(row))
        if row[nearest] >= calibration.threshold:
            names.append(generators[nearest])
            scores.append(row[nearest])
        else:
            unknown += 1
            names.append(f"{UNKNOWN}-{unknown}")
            scores.append(1 - row[nearest])
    return tuple(names), np.array(scores)


def join_known(
    labels: np.ndarray, names: tuple[str, ...], generators: tuple[str, ...]
) -> np.ndarray:
    """Join clusters that bear the name of one development generator: `[N]` int, 0 to K - 1."""
    first = [names.index(name) if name in generators else i for i, name in enumerate(names)]
    return np.unique(np.array(first)[labels], return_inverse=True)[1]


def lineage(groups: list[np.ndarray]) -> np.ndarray:
    """Average linkage `[K - 1, 4]` (scipy's form) of the centres of K groups of whitened points."""
    if len(groups) < 2:
        return np.empty((0, 4))
    return linkage(np.stack([group.mean(axis=0) for group in groups]), "average")
