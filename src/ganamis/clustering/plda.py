"""Probabilistic linear discriminant analysis: do two groups of images share a generator?

The two-covariance model (Brummer and de Villiers 2010): an image is its generator's mean plus a
deviation inside the generator, both Gaussian. Development has too few generators to learn
directions between them, so their means are taken to vary alike in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ganamis.clustering.nuisance import within_scatter


@dataclass(frozen=True)
class Plda:
    """The model in coordinates in which the covariance inside a generator is the identity.

    mean: `[C]`, of generators. axes: `[C, C]`, the map to these coordinates. between: `[C]`,
    variances of generators there.
    """

    mean: np.ndarray
    axes: np.ndarray
    between: np.ndarray

    @classmethod
    def fit(cls, points: np.ndarray, labels: np.ndarray, *, prior: float) -> "Plda":
        """Learn both covariances.

        Args:
            points: `[N, C]`, whitened: the covariance inside a generator is expected to be the
                identity. labels: `[N]`, their generators.
            prior: weight of that expectation, in points.
        """
        names = np.unique(labels)
        means = np.stack([points[labels == name].mean(axis=0) for name in names])
        weight = max(1, len(points) - len(names))
        dimensions = points.shape[1]
        within = weight * within_scatter(points, labels) + prior * np.eye(dimensions)
        values, vectors = eigh(within / (weight + prior))
        mean = means.mean(axis=0)
        spread = ((means - mean) ** 2).sum() / max(1, len(names) - 1) / dimensions
        return cls(mean, axes=vectors / np.sqrt(values), between=max(spread, 1.0) / values)

    def log_likelihood_ratios(
        self, groups: Sequence[np.ndarray], references: Sequence[np.ndarray], *, independent: float
    ) -> np.ndarray:
        """Of one generator having made both groups, against two (ibid., section 4): `[K, G]`.

        Args:
            groups: K of `[A, C]`. references: G of `[B, C]`.
            independent: images of a group that count; more of them share content, and tell no
                more of the generator's mean.
        """
        x, of_x = (each[:, None] for each in self._means(groups, independent))
        y, of_y = self._means(references, independent)
        determinant = of_x * of_y - self.between**2
        joint = (of_y * x**2 - 2 * self.between * x * y + of_x * y**2) / determinant
        apart = x**2 / of_x + y**2 / of_y
        ratios = apart - joint + np.log(of_x * of_y / determinant)
        return np.asarray(ratios.sum(axis=2) / 2)

    def _means(
        self, groups: Sequence[np.ndarray], independent: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean `[K, C]` of each group, and its variance `[K, C]`, in the model's coordinates."""
        means = np.array([group.mean(axis=0) for group in groups]).reshape(-1, len(self.mean))
        counted = np.array([min(len(group), independent) for group in groups])
        return (means - self.mean) @ self.axes, self.between + 1 / counted[:, None]
