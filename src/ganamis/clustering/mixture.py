"""A Gaussian mixture with one shared covariance that is expected to be the identity.

After whitening by what varies inside known generators, that is what one more generator should
show; the points correct the expectation as far as there are enough of them.
"""

import numpy as np
from scipy.linalg import eigh

MEAN_PRIOR = 0.01  # weight, in points, of the expectation that a mean is at the origin


def tied_mixture(
    points: np.ndarray, labels: np.ndarray, *, prior: float, steps: int, tolerance: float = 1e-4
) -> np.ndarray:
    """Maximum a posteriori EM from a first partition (Fraley and Raftery 2007, section 3).

    Args:
        points: `[N, C]`, centred. labels: `[N]` int, 0 to K - 1.
        prior: weight of the identity in the shared covariance, in points.

    Returns:
        `[N]` int, the most probable component of each point.
    """
    count, dimensions = points.shape
    shares = np.eye(int(labels.max()) + 1)[labels]
    total = points.T @ points
    previous = -np.inf
    for _ in range(steps):
        sizes = shares.sum(axis=0) + 1e-9
        means = (shares.T @ points) / (sizes + MEAN_PRIOR)[:, None]
        spread = total - (means * (sizes + MEAN_PRIOR)[:, None]).T @ means
        values, vectors = eigh((prior * np.eye(dimensions) + spread) / (prior + count))
        values = np.maximum(values, 1e-6)
        whiten = vectors / np.sqrt(values)
        scaled, centres = points @ whiten, means @ whiten
        squares = (scaled**2).sum(axis=1)[:, None] - 2 * scaled @ centres.T
        scores = np.log(sizes / count) - 0.5 * (squares + (centres**2).sum(axis=1))
        top = scores.max(axis=1, keepdims=True)
        weights = np.exp(scores - top)
        norms = weights.sum(axis=1, keepdims=True)
        shares = weights / norms
        objective = (top + np.log(norms)).sum() - 0.5 * (count + prior) * np.log(values).sum()
        objective -= 0.5 * prior * (1 / values).sum()
        if objective - previous < tolerance * abs(count):
            break
        previous = objective
    return shares.argmax(axis=1)


def assign(
    points: np.ndarray, reference: np.ndarray, labels: np.ndarray, *, prior: float, batch: int
) -> np.ndarray:
    """Assign points to clusters by Gaussians fitted to a labelled reference.

    Each cluster has its own covariance, with `prior` points of the shared one.

    Args:
        points: `[N, C]`. reference: `[M, C]`. labels: `[M]` int, 0 to K - 1.
        batch: points scored at once.

    Returns:
        `[N]` int.
    """
    clusters = np.unique(labels)
    centred = reference.astype(np.float64)
    means = np.stack([reference[labels == index].mean(axis=0) for index in clusters])
    centred -= means[np.searchsorted(clusters, labels)]
    shared = (centred.T @ centred + prior * np.eye(points.shape[1])) / (len(reference) + prior)
    whitenings, constants = [], []
    for index in clusters:
        own = centred[labels == index]
        values, vectors = eigh((own.T @ own + prior * shared) / (len(own) + prior))
        whitenings.append(vectors / np.sqrt(values))
        constants.append(np.log(len(own)) - 0.5 * np.log(values).sum())
    assigned = np.empty(len(points), dtype=int)
    for start in range(0, len(points), batch):
        rows = points[start : start + batch]
        scores = [
            constant - 0.5 * (((rows - mean) @ whiten) ** 2).sum(axis=1)
            for mean, whiten, constant in zip(means, whitenings, constants, strict=True)
        ]
        assigned[start : start + batch] = clusters[np.argmax(scores, axis=0)]
    return assigned
