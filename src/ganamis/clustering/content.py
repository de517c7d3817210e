"""What a batch's own content tells, without any label: images that show the same are no new
evidence, and what neighbours in content share is content.
"""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.linalg import eigh
from scipy.spatial import KDTree

COMPONENTS = 30  # of the descriptors
BLOCK = 8  # images of one content block, on average
LEAST_BLOCKS = 5


def content_coordinates(content: np.ndarray) -> np.ndarray:
    """Leading principal coordinates `[N, 30]` float64 of `[N, C]` content descriptors."""
    centred = content.astype(np.float64) - content.mean(axis=0, dtype=np.float64)
    kept = min(COMPONENTS, *centred.shape)
    bounds = (centred.shape[1] - kept, centred.shape[1] - 1)
    _, directions = eigh(centred.T @ centred, subset_by_index=bounds)
    return centred @ directions[:, ::-1]


def content_scatter(points: np.ndarray, coordinates: np.ndarray, *, neighbours: int) -> np.ndarray:
    """Covariance `[D, D]` of what content alone explains of the features.

    The mean feature of an image and its nearest neighbours in content varies by content, and by
    sampling as the covariance of one image divided by their number; the rest is content.

    Args:
        points: `[N, D]` features. coordinates: `[N, C]`, of content.
    """
    count = min(neighbours + 1, len(points))
    if count < 2:
        return np.zeros((points.shape[1],) * 2)
    _, near = KDTree(coordinates).query(coordinates, k=count)
    centred = points - points.mean(axis=0, dtype=np.float64)
    means = centred[near].mean(axis=1)
    means -= means.mean(axis=0)
    excess = (means.T @ means - centred.T @ centred / count) / len(points)
    values, vectors = eigh(excess)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def content_blocks(coordinates: np.ndarray) -> np.ndarray:
    """`[N]` int: groups of images that show about the same, eight of them on average (Ward).

    Few images, or content that does not vary, tell nothing: each image is its own block.
    """
    groups = len(coordinates) // BLOCK
    if groups < 2 * LEAST_BLOCKS or not np.ptp(coordinates, axis=0).max() > 0:
        return np.arange(len(coordinates))
    return fcluster(linkage(coordinates, "ward"), groups, "maxclust") - 1


def effective_number(blocks: np.ndarray) -> float:
    """How many different contents `[N]` images of these blocks are worth (inverse Simpson)."""
    counts = np.unique(blocks, return_counts=True)[1]
    return float(len(blocks) ** 2 / (counts**2).sum())
