"""Mixtures with one shared covariance that is expected to be the identity.

After whitening by what varies inside known generators, that is what one more generator should
show; the points correct the expectation as far as there are enough of them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax

DEGREES = 4.0  # of freedom; the likeliest one inside most simulated generators
STUDENT_STEPS = 30
MEAN_PRIOR = 0.01  # weight, in points, of the expectation that a mean is at the origin


def tied_mixture(
    points: np.ndarray, labels: np.ndarray, *, prior: float, steps: int, tolerance: float = 1e-4
) -> np.ndarray:
    """Maximum a posteriori EM from a first partition (Fraley and Raftery 2007).

    Args:
        points: `[N, C]`, centred. labels: `[N]` int, 0 to K - 1.
        prior: weight of the identity in the shared covariance, in points.

    Returns:
        `[N]` int, the most probable component of each point.
    """
    count = len(points)
    shares = np.eye(int(labels.max()) + 1)[labels]
    total = points.T @ points
    previous = -np.inf
    for _ in range(steps):
        sizes = shares.sum(axis=0) + 1e-9
        means = (shares.T @ points) / (sizes + MEAN_PRIOR)[:, None]
        spread = total - (means * (sizes + MEAN_PRIOR)[:, None]).T @ means
        whiten, penalty = _shared(spread, count=count, prior=prior)
        scaled, centres = points @ whiten, means @ whiten
        squares = (scaled**2).sum(axis=1)[:, None] - 2 * scaled @ centres.T
        scores = np.log(sizes / count) - 0.5 * (squares + (centres**2).sum(axis=1))
        top = scores.max(axis=1, keepdims=True)
        weights = np.exp(scores - top)
        norms = weights.sum(axis=1, keepdims=True)
        shares = weights / norms
        objective = (top + np.log(norms)).sum() - penalty
        if objective - previous < tolerance * abs(count):
            break
        previous = objective
    return shares.argmax(axis=1)


def student_mixture(
    points: np.ndarray, labels: np.ndarray, *, prior: float, tolerance: float = 1e-4
) -> np.ndarray:
    """`tied_mixture` of Student's t distributions: an outlier weighs less the further out it is.

    Some images of a generator are unlike the rest, and a Gaussian mixture spends its components
    on them (Peel and McLachlan 2000, equations 19 to 31, with known degrees of freedom).

    Args:
        points: `[N, C]`, centred. labels: `[N]` int, 0 to K - 1.
        prior: weight of the identity in the shared covariance, in points.

    Returns:
        `[N]` int, the most probable component of each point.
    """
    count, dimensions = points.shape
    shares = np.eye(int(labels.max()) + 1)[labels]
    nearness = np.ones_like(shares)
    previous = -np.inf
    for _ in range(STUDENT_STEPS):
        weights = shares * nearness
        sizes = weights.sum(axis=0) + MEAN_PRIOR
        means = weights.T @ points / sizes[:, None]
        total = points.T @ (points * weights.sum(axis=1)[:, None])
        spread = total - (means * sizes[:, None]).T @ means
        whiten, penalty = _shared(spread, count=count, prior=prior)
        squares = cdist(points @ whiten, means @ whiten, "sqeuclidean")
        densities = -0.5 * (DEGREES + dimensions) * np.log1p(squares / DEGREES)
        scores = np.log(shares.sum(axis=0) / count + 1e-12) + densities
        norms = logsumexp(scores, axis=1, keepdims=True)
        shares = np.exp(scores - norms)
        nearness = (DEGREES + dimensions) / (DEGREES + squares)
        objective = norms.sum() - penalty
        if objective - previous < tolerance * count:
            break
        previous = objective
    return shares.argmax(axis=1)


def _shared(spread: np.ndarray, *, count: int, prior: float) -> tuple[np.ndarray, float]:
    """The whitening `[C, C]` by the shared covariance, and what its logarithm and prior cost."""
    values, vectors = eigh((prior * np.eye(len(spread)) + spread) / (prior + count))
    values = np.maximum(values, 1e-6)
    penalty = 0.5 * (count + prior) * np.log(values).sum() + 0.5 * prior * (1 / values).sum()
    return vectors / np.sqrt(values), float(penalty)


@dataclass(frozen=True)
class GaussianClusters:
    """One Gaussian a cluster: the rule that assigns images never clustered.

    means: `[K, C]`. whitenings: `[K, C, C]`. constants: `[K]`, log weights and normalisations.
    """

    means: np.ndarray
    whitenings: np.ndarray
    constants: np.ndarray

    @classmethod
    def fit(cls, points: np.ndarray, labels: np.ndarray, *, prior: float) -> "GaussianClusters":
        """Fit to `[N, C]` points and `[N]` int labels, 0 to K - 1.

        Each cluster has its own covariance, with `prior` points of the shared one, and that with
        `prior` points of the identity.
        """
        count = int(labels.max()) + 1
        means = np.stack([points[labels == index].mean(axis=0) for index in range(count)])
        centred = points - means[labels]
        shared = centred.T @ centred + prior * np.eye(points.shape[1])
        shared /= len(points) + prior
        whitenings, constants = [], []
        for index in range(count):
            own = centred[labels == index]
            values, vectors = eigh((own.T @ own + prior * shared) / (len(own) + prior))
            whitenings.append(vectors / np.sqrt(values))
            constants.append(np.log(len(own)) - 0.5 * np.log(values).sum())
        return cls(means, np.stack(whitenings), np.array(constants))

    def posteriors(self, points: np.ndarray) -> np.ndarray:
        """Probabilities `[N, K]` of the clusters at `[N, C]` points."""
        return softmax(self._scores(points), axis=1)

    def assign(self, points: np.ndarray, *, batch: int) -> np.ndarray:
        """Most probable cluster `[N]` int, `batch` points at once."""
        starts = range(0, len(points), batch)
        best = [self._scores(points[start : start + batch]).argmax(axis=1) for start in starts]
        return np.concatenate(best)

    def misfit(self, points: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance `[N]` of each point from the cluster nearest to it."""
        return self._squares(points).min(axis=1)

    def _squares(self, points: np.ndarray) -> np.ndarray:
        squares = [
            (((points - mean) @ whiten) ** 2).sum(axis=1)
            for mean, whiten in zip(self.means, self.whitenings, strict=True)
        ]
        return np.stack(squares, axis=1)

    def _scores(self, points: np.ndarray) -> np.ndarray:
        return self.constants - 0.5 * self._squares(points)
