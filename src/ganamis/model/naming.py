"""Name a cluster after a generator of the catalogue, or say that it is none of them."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.special import expit

from ganamis.clustering.plda import Plda
from ganamis.model.answer import UNKNOWN, Cluster

EVEN_ODDS = 10.0  # distance, where development has no examples; its own come to 10 to 16


def distances(
    groups: list[np.ndarray], references: list[np.ndarray], *, prior: float, independent: int
) -> np.ndarray:
    """`[K, G]` distances of groups of whitened points from reference groups, by PLDA.

    The square root of minus the log-likelihood ratio, which is quadratic in how far means lie
    apart; negative where one generator is the likelier.

    Args:
        groups: K of `[A, C]`. references: G of `[B, C]`; PLDA is fitted on them.
        prior: of `Plda.fit`. independent: of `Plda.log_likelihood_ratios`.
    """
    labels = np.repeat(np.arange(len(references)), [len(points) for points in references])
    model = Plda.fit(np.concatenate(references), labels, prior=prior)
    ratios = model.log_likelihood_ratios(groups, references, independent=independent)
    return -np.sign(ratios) * np.sqrt(np.abs(ratios))


@dataclass(frozen=True)
class Calibration:
    """Probability that two groups at a distance come from one generator: a logistic function.

    slope and intercept: of the log odds against the distance. threshold: probability from which
    a cluster takes the name of a known generator.
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
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(class_weight="balanced").fit(distances[:, None], same)
        slope = min(float(model.coef_[0, 0]), -1e-6)
        cut = _best_cut(distances, same)
        return cls(slope, intercept=-slope * cut, threshold=0.5)

    def probability(self, distances: np.ndarray) -> np.ndarray:
        """Probabilities, of the shape of `distances`."""
        return expit(self.slope * distances + self.intercept)


def _best_cut(distances: np.ndarray, same: np.ndarray) -> float:
    """The distance that tells same from another with the least balanced error."""
    order = np.argsort(distances, kind="stable")
    ordered, of_one = distances[order], same[order]
    accepted_same = np.cumsum(of_one) / of_one.sum()
    accepted_other = np.cumsum(~of_one) / (~of_one).sum()
    last = np.flatnonzero(np.diff(ordered) > 0)  # cuts lie between different distances
    mistakes = (1 - accepted_same[last]) + accepted_other[last]
    best = last[np.isclose(mistakes, mistakes.min())]
    return float(np.median((ordered[best] + ordered[best + 1]) / 2))


def name_clusters(
    distances: np.ndarray, generators: tuple[str, ...], calibration: Calibration
) -> tuple[Cluster, ...]:
    """Name K clusters, by their distances `[K, G]` to the known generators.

    A generator's name goes to the nearest of the clusters that claim it: what was found apart is
    not joined for its name. Unknown ones are numbered, and no number makes a name that a known
    generator has.
    """
    belongs = (
        calibration.probability(distances) if len(generators) else np.zeros((len(distances), 1))
    )
    nearest = belongs.argmax(axis=1)
    scores = belongs.max(axis=1, initial=0.0)
    claimed = scores >= calibration.threshold
    named: list[Cluster] = []
    taken, number = {name.casefold() for name in generators}, 0
    for row, (generator, score) in enumerate(zip(nearest, scores.tolist(), strict=True)):
        rivals = np.flatnonzero(claimed & (nearest == generator))
        if claimed[row] and distances[rivals, generator].argmin() == rivals.tolist().index(row):
            named.append(Cluster(generators[generator], known=True, score=score))
        else:
            number = _next_number(number, taken)
            named.append(Cluster(f"{UNKNOWN}-{number}", known=False, score=1 - score))
    return tuple(named)


def _next_number(number: int, taken: Collection[str]) -> int:
    number += 1
    while f"{UNKNOWN}-{number}" in taken:
        number += 1
    return number


def lineage(groups: list[np.ndarray]) -> np.ndarray:
    """Average linkage `[K - 1, 4]` (scipy's form) of the centres of K groups of whitened points."""
    if len(groups) < 2:
        return np.empty((0, 4))
    return linkage(np.stack([group.mean(axis=0) for group in groups]), "average")
