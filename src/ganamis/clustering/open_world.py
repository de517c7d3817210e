"""Clusters of images by generator, and how many there are: one is a possible answer.

Groups are cut in two for as long as some cut leaves a gap that one population would not show;
groups without such a gap between them are joined again (over-cluster and merge, as Girish et al.
2021, with a test of their separation in place of a classifier).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ganamis.clustering.confounds import join_processed
from ganamis.clustering.mixture import GaussianClusters, tied_mixture
from ganamis.clustering.separation import local_coordinates, pair_separation, separation

WARD_GROUPS = (2, 3, 4, 5)
FINE_GROUPS = (4, 8, 12, 20)
MIXTURE_STEPS = 15
AXES = 6  # independent components, and principal ones, cut in two
KMEANS_STARTS = 3
WITNESS = 8  # images in a part whose own separation counts when groups are joined
BATCH = 65536  # points assigned at once
# One thread for linear algebra: on matrices so small more of them only wait for each other.
small_matrices = partial(threadpool_limits, 1, user_api="blas")


@dataclass(frozen=True)
class OpenWorld:
    """Settings of the search.

    dimensions: local principal coordinates in which a group is cut. prior: weight, in points, of
    the expectation that whitened groups have unit covariance. threshold: of `separation`, above
    which two groups are two generators. smallest: images in a group. sample: points searched;
    the others are assigned to what was found.
    """

    dimensions: int
    prior: float
    threshold: float
    smallest: int
    sample: int


def _two_means_cut(values: np.ndarray, *, margin: int) -> np.ndarray:
    """The upper of two groups `[N]` bool that minimise the squared deviations of `[N]` values."""
    ordered = np.sort(values)
    size = np.arange(1, len(values))
    sums, squares = np.cumsum(ordered), np.cumsum(ordered**2)
    upper = (sums[-1] - sums[:-1]) ** 2 / (len(values) - size)
    cost = squares[-1] - sums[:-1] ** 2 / size - upper
    inside = slice(margin - 1, len(values) - margin)
    index = margin - 1 + int(np.argmin(cost[inside]))
    return values > (ordered[index] + ordered[index + 1]) / 2


def _independent(white: np.ndarray, *, seed: int) -> np.ndarray:
    """Independent components `[N, C]` of white points: the least Gaussian of their projections."""
    ica = FastICA(whiten=False, max_iter=100, tol=1e-3, random_state=seed)
    with warnings.catch_warnings():
        # Gaussian axes have no best rotation; wherever the search stops serves as a candidate.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return ica.fit_transform(white)


def _candidate_cuts(points: np.ndarray, *, smallest: int, seed: int) -> Iterator[np.ndarray]:
    """Ways `[N]` bool to cut a group in two, in its own scale and with all scales made equal."""
    equal = points / np.maximum(points.std(axis=0), 1e-9)
    for view in (points, equal):
        tree = linkage(view, "ward")
        for groups in WARD_GROUPS:
            labels = fcluster(tree, groups, "maxclust")
            yield from (labels == label for label in range(1, groups + 1))
        yield KMeans(2, n_init=KMEANS_STARTS, random_state=seed).fit_predict(view) == 1
    principal = equal[:, :AXES]
    margin = max(smallest, len(points) // 12)
    for axis in np.concatenate([_independent(principal, seed=seed), principal], axis=1).T:
        yield _two_means_cut(axis, margin=margin)


def best_cut(
    points: np.ndarray, settings: OpenWorld, *, seed: int
) -> tuple[float, np.ndarray | None]:
    """The cut `[N]` bool of `[N, C]` points with the clearest gap, and its separation."""
    local = local_coordinates(points, dimensions=settings.dimensions)
    best: tuple[float, np.ndarray | None] = (0.0, None)
    if len(points) < 2 * settings.smallest or not local.std(axis=0).max() > 1e-9:
        return best
    seen = set()
    for cut in _candidate_cuts(local, smallest=settings.smallest, seed=seed):
        if not 0 < cut.sum() < len(cut):
            continue
        refined = tied_mixture(local, cut.astype(int), prior=settings.prior, steps=MIXTURE_STEPS)
        for second in (refined == 1, cut):
            key = (second ^ second[0]).tobytes()
            if key in seen or min(second.sum(), (~second).sum()) < settings.smallest:
                continue
            seen.add(key)
            found = separation(local, second, prior=settings.prior)
            if found > best[0]:
                best = (found, second)
    return best


@dataclass(frozen=True)
class _Joined:
    """A group of rows `[N]` int, and which of the groups to be joined it consists of."""

    rows: np.ndarray
    parts: tuple[int, ...]


class _Joining:
    """How separated groups of `[N, C]` points are while they are being joined.

    Two groups are as separated as a whole, or as their least separated parts if that is more. A
    group joined from two generators is so wide that little is separated from it; its parts still
    are. Without them one mistake would draw in all the rest.
    """

    def __init__(self, points: np.ndarray, groups: list[np.ndarray], settings: OpenWorld) -> None:
        self._points, self._groups, self._settings = points, groups, settings
        self._wholes: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
        self._parts = np.zeros((len(groups),) * 2)
        for upper in range(len(groups)):
            for lower in range(upper):
                apart = self._measure(groups[lower], groups[upper])
                self._parts[lower, upper] = self._parts[upper, lower] = apart

    def _measure(self, first: np.ndarray, second: np.ndarray) -> float:
        return pair_separation(
            self._points[first],
            self._points[second],
            dimensions=self._settings.dimensions,
            prior=self._settings.prior,
        )

    def _witnesses(self, group: _Joined) -> list[int]:
        """Parts large enough to tell what they are separated from; all, if none is."""
        large = [part for part in group.parts if len(self._groups[part]) >= WITNESS]
        return large or list(group.parts)

    def _whole(self, first: _Joined, second: _Joined) -> float:
        if len(first.parts) == len(second.parts) == 1:
            return float(self._parts[first.parts[0], second.parts[0]])
        key = (first.parts, second.parts)
        if key not in self._wholes:
            self._wholes[key] = self._measure(first.rows, second.rows)
        return self._wholes[key]

    def closest(self, joined: list[_Joined]) -> tuple[float, int, int]:
        """The least separation of two of at least two groups, and their places.

        Parts are known and bound it from below, so few wholes are measured.
        """
        witnesses = [self._witnesses(group) for group in joined]
        pairs = [(lower, upper) for upper in range(len(joined)) for lower in range(upper)]
        bounds = np.array(
            [self._parts[np.ix_(witnesses[one], witnesses[two])].min() for one, two in pairs]
        )
        least, best = np.inf, -1
        for pair in np.argsort(bounds, kind="stable"):
            if bounds[pair] >= least:
                break
            lower, upper = pairs[pair]
            score = max(bounds[pair], self._whole(joined[lower], joined[upper]))
            if score < least:
                least, best = score, int(pair)
        return float(least), *pairs[best]


def _join(
    points: np.ndarray, groups: list[np.ndarray], settings: OpenWorld, *, count: int | None
) -> list[np.ndarray]:
    """Join the least separated pair until all are separated, or until `count` are left."""
    joining = _Joining(points, groups, settings)
    joined = [_Joined(rows, (part,)) for part, rows in enumerate(groups)]
    while len(joined) > (count or 1):
        apart, lower, upper = joining.closest(joined)
        if count is None and apart > settings.threshold:
            break
        rows = np.concatenate([joined[lower].rows, joined[upper].rows])
        parts = joined[lower].parts + joined[upper].parts
        rest = [group for index, group in enumerate(joined) if index not in (lower, upper)]
        joined = [*rest, _Joined(rows, parts)]
    return [group.rows for group in joined]


def _finely(points: np.ndarray, settings: OpenWorld) -> list[np.ndarray]:
    """Cut in many and join: for groups so many that no single cut passes between them."""
    local = local_coordinates(points, dimensions=2 * settings.dimensions)
    best = [np.arange(len(points))]
    for view in (local, local / np.maximum(local.std(axis=0), 1e-9)):
        tree = linkage(view, "ward")
        for groups in FINE_GROUPS:
            if len(points) < 3 * groups:
                continue
            first = fcluster(tree, groups, "maxclust") - 1
            labels = tied_mixture(local, first, prior=settings.prior, steps=MIXTURE_STEPS)
            parts = [np.flatnonzero(labels == label) for label in range(groups)]
            large = [part for part in parts if len(part) >= settings.smallest]
            joined = _join(points, large, settings, count=None) if large else best
            if len(joined) > len(best):
                best = joined
    if len(best) == 1:
        return [np.arange(len(points))]
    centres = np.stack([local[part].mean(axis=0) for part in best])
    labels = ((local[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    for label, part in enumerate(best):
        labels[part] = label
    return [np.flatnonzero(labels == label) for label in range(len(best))]


def _search(points: np.ndarray, settings: OpenWorld, *, seed: int) -> list[np.ndarray]:
    waiting, done = [np.arange(len(points))], []
    while waiting:
        group = waiting.pop()
        found, second = best_cut(points[group], settings, seed=seed)
        if second is not None and found > settings.threshold:
            waiting += [group[second], group[~second]]
            continue
        enough = len(group) >= 2 * settings.smallest
        parts = _finely(points[group], settings) if enough else [np.arange(len(group))]
        if len(parts) > 1:
            waiting += [group[part] for part in parts]
        else:
            done.append(group)
    return _join(points, done, settings, count=None)


def _split_to(
    points: np.ndarray, groups: list[np.ndarray], settings: OpenWorld, *, count: int, seed: int
) -> list[np.ndarray]:
    """Cut whichever group has the clearest gap until there are `count`."""
    cuts = [(group, *best_cut(points[group], settings, seed=seed)) for group in groups]
    while len(cuts) < count:
        cuts.sort(key=lambda cut: cut[1])
        group, _, second = cuts[-1]
        if second is None:  # no gap anywhere: halve the largest
            cuts.sort(key=lambda cut: len(cut[0]))
            group = cuts[-1][0]
            first = local_coordinates(points[group], dimensions=1)[:, 0]
            second = np.argsort(np.argsort(first)) >= len(group) // 2
        cuts.pop()
        parts = (group[second], group[~second])
        cuts += [(part, *best_cut(points[part], settings, seed=seed)) for part in parts]
    return [group for group, _, _ in cuts]


def discover(
    points: np.ndarray,
    settings: OpenWorld,
    *,
    count: int | None,
    seed: int,
    conditions: np.ndarray | None = None,
) -> np.ndarray:
    """Cluster whitened points; the number of clusters is found unless given.

    Args:
        points: `[N, C]`, in units of the standard deviation inside a generator.
        count: number of clusters, at most N, or None to find it.
        conditions: `[N]` int, how each image seems to have been processed; clusters that nothing
            else tells apart are joined (`join_processed`), as far as the number allows.

    Returns:
        `[N]` int, 0 to K - 1, larger clusters first.
    """
    with small_matrices():
        labels = _discover(points, settings, count=count, seed=seed, conditions=conditions)
    if count is None and conditions is not None:
        return join_processed(points, labels, conditions)
    return labels


def _labels(groups: list[np.ndarray], size: int) -> np.ndarray:
    """`[size]` int, larger groups first."""
    labels = np.empty(size, dtype=int)
    for label, group in enumerate(sorted(groups, key=lambda group: (-len(group), group.min()))):
        labels[group] = label
    return labels


def _discover(
    points: np.ndarray,
    settings: OpenWorld,
    *,
    count: int | None,
    seed: int,
    conditions: np.ndarray | None,
) -> np.ndarray:
    order = np.lexsort(points.T[::-1])
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(points))[: max(settings.sample, count or 1)])
    sample = points[order[chosen]].astype(np.float64)
    groups = _search(sample, settings, seed=seed)
    if count is not None and conditions is not None:
        labels = _labels(groups, len(sample))
        labels = join_processed(sample, labels, conditions[order[chosen]], least=count)
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if count is not None and len(groups) > count:
        groups = _join(sample, groups, settings, count=count)
    elif count is not None and len(groups) < count:
        groups = _split_to(sample, groups, settings, count=count, seed=seed)
    found = _labels(groups, len(sample))
    if len(points) == len(sample):
        labels = np.empty(len(points), dtype=int)
        labels[order] = found
        return labels
    clusters = GaussianClusters.fit(sample, found, prior=settings.prior)
    return clusters.assign(points, batch=BATCH)
