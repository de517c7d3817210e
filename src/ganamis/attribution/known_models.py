"""Name a cluster after a development generator, or say that it is none of them."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ganamis.clustering.plda import Plda

UNKNOWN = "unknown"
EVEN_ODDS = 10.0  # distance, where development has no examples; its own come to 10 to 16


def distances(
    groups: list[np.ndarray], references: list[np.ndarray], *, prior: float, independent: int
) -> np.ndarray:
    """`[K, G]` distances of groups of whitened points from reference groups, by PLDA.

    The square root of minus the log-likelihood ratio, which is quadratic in how far means lie
    apart; negative where one generator is the likelier.

    Args:
        groups: K of `[A, C]`. references: G of `[B, C]`; PLDA is fitted on them.
        prior: of `Plda.fit`. independent: of `Plda.log_likelihood_ratio`.
    """
    labels = np.repeat(np.arange(len(references)), [len(points) for points in references])
    model = Plda.fit(np.concatenate(references), labels, prior=prior)
    ratios = np.array(
        [
            [
                model.log_likelihood_ratio(group, known, independent=independent)
                for known in references
            ]
            for group in groups
        ]
    )
    return -np.sign(ratios) * np.sqrt(np.abs(ratios))


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
        halfway across the gap, if there is one.
        """
        if min(len(np.unique(same)), len(np.unique(distances))) < 2:
            return cls(slope=-0.5, intercept=0.5 * EVEN_ODDS, threshold=0.5)
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
