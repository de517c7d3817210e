"""Within-class covariance normalisation: divide out what varies inside one generator."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh


@dataclass(frozen=True)
class Whitening:
    """An affine map learned on development images.

    mean: `[D]`. matrix: `[D, C]`.
    """

    mean: np.ndarray
    matrix: np.ndarray

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Map `[N, D]` to `[N, C]` float64."""
        return (features.astype(np.float64) - self.mean) @ self.matrix


def within_class_whitening(
    features: np.ndarray, labels: np.ndarray, *, components: int, shrinkage: float
) -> Whitening:
    """Standardise, reduce by PCA, then whiten the within-class covariance.

    Within-class covariance normalisation: Hatch and Stolcke 2006, equation 5; the covariance is
    shrunk towards a multiple of the identity.

    Args:
        features: `[N, D]`. labels: `[N]`, the generators.
        components: C, dimensions kept, at most what the data have.
        shrinkage: 0 (as measured) to 1 (identity).
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features.astype(np.float64))
    pca = PCA(n_components=min(components, *scaled.shape), svd_solver="full").fit(scaled)
    reduced = pca.transform(scaled)
    for label in np.unique(labels):
        reduced[labels == label] -= reduced[labels == label].mean(axis=0)
    within = reduced.T @ reduced / len(reduced)
    target = np.eye(len(within)) * (np.trace(within) / len(within) or 1.0)
    values, vectors = eigh((1 - shrinkage) * within + shrinkage * target)
    whiten = vectors / np.sqrt(np.maximum(values, 1e-12))
    matrix = (pca.components_ / scaler.scale_).T @ whiten
    return Whitening(mean=scaler.mean_ + pca.mean_ * scaler.scale_, matrix=matrix)
