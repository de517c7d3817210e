"""Ways to cut a group of images in two, of which the likeliest are then judged."""

from collections.abc import Iterator

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from ganamis.clustering.mixture import tied_mixture

WARD_GROUPS = (2, 3, 4, 5, 6, 8)
AXES = 6  # principal ones, cut in two
KEPT = 6  # of the cuts, refined and judged
MIXTURE_STEPS = 10


def candidate_cuts(local: np.ndarray, *, smallest: int, prior: float) -> list[np.ndarray]:
    """Cuts `[N]` bool of `[N, C]` local coordinates, the promising ones, as found and refined.

    Args:
        smallest: images in a part. prior: weight, in points, of the expectation that the
            covariance inside a part is the identity.
    """
    ways: dict[bytes, np.ndarray] = {}
    for cut in _ways(local, smallest=smallest):
        if min(cut.sum(), (~cut).sum()) >= smallest:
            ways.setdefault(_key(cut), cut)
    promise = {key: _promise(local, cut, prior=prior) for key, cut in ways.items()}
    best = sorted(ways, key=lambda key: -promise[key])[:KEPT]
    chosen: dict[bytes, np.ndarray] = {}
    for key in best:
        first = ways[key].astype(int)
        refined = tied_mixture(local, first, prior=prior, steps=MIXTURE_STEPS) == 1
        for cut in (refined, ways[key]):
            if min(cut.sum(), (~cut).sum()) >= smallest:
                chosen.setdefault(_key(cut), cut)
    return list(chosen.values())


def _key(cut: np.ndarray) -> bytes:
    """The same for a cut and its complement."""
    return (cut ^ cut[0]).tobytes()


def _ways(local: np.ndarray, *, smallest: int) -> Iterator[np.ndarray]:
    """One group of a Ward tree against the rest, in the given scales and with equal ones; and
    two-means along each principal axis."""
    equal = local / np.maximum(local.std(axis=0), 1e-9)
    for view in (local, equal):
        tree = linkage(view, "ward")
        for groups in WARD_GROUPS:
            labels = fcluster(tree, groups, "maxclust")
            yield from (labels == label for label in range(1, groups + 1))
    margin = max(smallest, len(local) // 12)
    for axis in local[:, :AXES].T:
        yield two_means_cut(axis, margin=margin)


def _promise(local: np.ndarray, second: np.ndarray, *, prior: float) -> float:
    """Mahalanobis distance of the parts, relative to what parts of one population reach: many
    images can hardly be cut at such a distance, few easily."""
    groups = (local[second], local[~second])
    centred = [group - group.mean(axis=0) for group in groups]
    scatter = sum(part.T @ part for part in centred) + prior * np.eye(local.shape[1])
    apart = groups[0].mean(axis=0) - groups[1].mean(axis=0)
    squared = apart @ np.linalg.solve(scatter / (len(local) + prior), apart)
    return float(np.sqrt(squared) / (4 + 14 / min(len(group) for group in groups)))


def two_means_cut(values: np.ndarray, *, margin: int) -> np.ndarray:
    """The upper of two groups `[N]` bool that minimise the squared deviations of `[N]` values.

    Args:
        margin: values in the smaller group, at least.
    """
    ordered = np.sort(values)
    size = np.arange(1, len(values))
    sums, squares = np.cumsum(ordered), np.cumsum(ordered**2)
    upper = (sums[-1] - sums[:-1]) ** 2 / (len(values) - size)
    cost = squares[-1] - sums[:-1] ** 2 / size - upper
    inside = slice(margin - 1, len(values) - margin)
    index = margin - 1 + int(np.argmin(cost[inside]))
    return values > (ordered[index] + ordered[index + 1]) / 2
