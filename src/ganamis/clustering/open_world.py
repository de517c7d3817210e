"""Clusters of images by generator, and how many there are: one is a possible answer.

Groups are cut in two for as long as some cut leaves two generators rather than one; groups that
are rather one are joined again (over-cluster and merge, as Girish et al. 2021). Both ask the same
question, and simulated generators taught the answer (`same_or_another`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import expit, logsumexp
from threadpoolctl import ThreadpoolController

from ganamis.clustering.candidates import candidate_cuts
from ganamis.clustering.evidence import Group, Scene
from ganamis.clustering.mixture import GaussianClusters, student_mixture
from ganamis.clustering.same_or_another import Logistic, SameOrAnother

STEPS = 4  # joins and cuts from what was found, whose numbers are looked at
NEAREST = 4  # groups that a group may be joined to
SURE = 8.0  # log odds beyond which doubt is not told apart
NONE = -2 * SURE  # log odds where the groups are not even apart
BATCH = 65536  # points assigned at once
MISFITS = 0.3  # of a sample, the images that fit worst
MOSTLY = 0.8  # of a group, images that did not fit
# Sees every cut that is judged: rows `[N]`, second `[N]` bool and its statistics.
Witness = Callable[[np.ndarray, np.ndarray, np.ndarray], None]


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all that is loaded: a millisecond or more


def small_matrices() -> AbstractContextManager:
    """One thread for linear algebra: on small matrices more of them only wait for each other."""
    return _libraries().limit(limits=1, user_api="blas")


@dataclass(frozen=True)
class OpenWorld:
    """Settings of the search.

    dimensions: local principal coordinates in which a group is cut. prior: weight, in points, of
    the expectation that whitened groups have unit covariance. threshold: probability of two
    generators from which on two groups are two. smallest: images in a group. sample: points
    searched; the others are assigned to what was found.
    """

    dimensions: int
    prior: float
    threshold: float
    smallest: int
    sample: int


@dataclass(frozen=True, eq=False)
class Discovery:
    """labels: `[N]` int, 0 to K - 1, larger clusters first. confidence: probability in [0, 1]
    that K is right; None where it was given."""

    labels: np.ndarray
    confidence: float | None


class Search:
    """The search among the images of one scene."""

    def __init__(
        self,
        scene: Scene,
        test: Logistic,
        settings: OpenWorld,
        *,
        witness: Witness | None = None,
    ) -> None:
        self._scene, self._test, self._settings, self._witness = scene, test, settings, witness
        self._threshold = float(np.log(settings.threshold / (1 - settings.threshold)))
        self._cuts: dict[bytes, tuple[float, np.ndarray | None]] = {}
        self._pairs: dict[tuple[bytes, bytes], float] = {}

    def groups(self) -> list[np.ndarray]:
        """Rows of each generator."""
        waiting, done = [np.arange(len(self._scene))], []
        while waiting:
            group = waiting.pop()
            odds, second = self.cut(group)
            if second is not None and odds > self._threshold:
                waiting += [group[second], group[~second]]
            else:
                done.append(group)
        return self.joined(done, count=None)

    def cut(self, rows: np.ndarray) -> tuple[float, np.ndarray | None]:
        """The best cut `[N]` bool of some rows, and its log odds of two generators."""
        key = rows.tobytes()
        if key not in self._cuts:
            self._cuts[key] = self._cut(rows)
        return self._cuts[key]

    def _cut(self, rows: np.ndarray) -> tuple[float, np.ndarray | None]:
        smallest = self._settings.smallest
        if len(rows) < 2 * smallest:
            return NONE, None
        group = self._group(rows)
        if not group.local.std(axis=0).max() > 1e-9:
            return NONE, None
        ways = candidate_cuts(group.local, smallest=smallest, prior=self._settings.prior)
        judged = [(way, group.statistics(way)) for way in ways]
        cuts = [(way, found) for way, found in judged if found is not None]
        if not cuts:
            return NONE, None
        odds = self._test.log_odds(np.stack([found for _, found in cuts]))
        if self._witness is not None:
            for way, found in cuts:
                self._witness(rows, way, found)
        return float(odds.max()), cuts[int(odds.argmax())][0]

    def _group(self, rows: np.ndarray) -> Group:
        numbers = self._settings
        return Group(self._scene.rows(rows), dimensions=numbers.dimensions, prior=numbers.prior)

    def apart(self, first: np.ndarray, second: np.ndarray) -> float:
        """Log odds that two groups of rows are two generators."""
        key = (first.tobytes(), second.tobytes())
        if key not in self._pairs:
            rows = np.concatenate([first, second])
            later = np.arange(len(rows)) >= len(first)
            found = self._group(rows).statistics(later)
            self._pairs[key] = NONE
            if found is not None:
                self._pairs[key] = float(self._test.log_odds(found[None])[0])
                if self._witness is not None:
                    self._witness(rows, later, found)
        return self._pairs[key]

    def nearest(self, groups: list[np.ndarray]) -> list[tuple[int, int]]:
        """Pairs of groups of which one is among the nearest of the other."""
        centres = np.stack([self._scene.points[rows].mean(axis=0) for rows in groups])
        distances = cdist(centres, centres)
        order = np.argsort(distances, axis=1, kind="stable")
        pairs = {
            (min(one, other), max(one, other))
            for one in range(len(groups))
            for other in order[one, : NEAREST + 1].tolist()
            if one != other
        }
        return sorted(pairs)

    def joined(self, groups: list[np.ndarray], *, count: int | None) -> list[np.ndarray]:
        """Join whichever pair is the least two, until all are, or `count` are left.

        On the way to a given number groups of several generators arise, and look like one with
        anything; there, what was joined is as far from another as the furthest of its parts
        (complete linkage).
        """
        joined = [[group] for group in groups]
        while len(joined) > (count or 1):
            whole = [_union(parts) for parts in joined]
            compared = joined if count else [[group] for group in whole]
            pairs = self.nearest(whole)
            odds = [
                max(self.apart(a, b) for a in compared[one] for b in compared[other])
                for one, other in pairs
            ]
            least = int(np.argmin(odds))
            if count is None and odds[least] > self._threshold:
                break
            one, other = pairs[least]
            parts = joined[one] + joined[other]
            joined = [each for at, each in enumerate(joined) if at not in (one, other)] + [parts]
        return [_union(parts) for parts in joined]

    def split(self, groups: list[np.ndarray], *, count: int) -> list[np.ndarray]:
        """Cut whichever group is the most two, until there are `count`."""
        groups = list(groups)
        while len(groups) < count:
            found = [(*self.cut(rows), at) for at, rows in enumerate(groups)]
            cuts = [(odds, at, second) for odds, second, at in found if second is not None]
            if cuts:
                _, at, second = max(cuts, key=lambda cut: (cut[0], -cut[1]))
            else:  # no gap anywhere: halve the largest
                at = max(range(len(groups)), key=lambda index: len(groups[index]))
                first = self._group(groups[at]).local[:, 0]
                second = np.argsort(np.argsort(first)) >= len(first) // 2
            rows = groups.pop(at)
            groups += [rows[second], rows[~second]]
        return groups

    def settled(self, groups: list[np.ndarray]) -> list[np.ndarray]:
        """Every image where a mixture of all groups at once has it, outliers counting for less.

        Groups of which hardly an image would be left stay as they are.
        """
        points, prior = self._scene.points, self._settings.prior
        labels = student_mixture(points, labels_of(groups, len(points)), prior=prior)
        sizes = np.bincount(labels, minlength=len(groups))
        if sizes.min() < min(self._settings.smallest, *(len(group) for group in groups)):
            return groups
        return [np.flatnonzero(labels == label) for label in range(len(groups))]

    def alternatives(self, groups: list[np.ndarray]) -> dict[int, list[np.ndarray]]:
        """What was found, 0, and up to `STEPS` joins (-1, -2, ...) and cuts (1, 2, ...) from it."""
        found = {0: groups}
        for step in range(1, STEPS + 1):
            if len(groups) > step:
                found[-step] = self.joined(found[1 - step], count=len(groups) - step)
            if len(groups) + step <= len(self._scene):
                found[step] = self.split(found[step - 1], count=len(groups) + step)
        return found

    def doubts(self, groups: list[np.ndarray], *, step: int) -> np.ndarray:
        """What may be wrong with the number: `[7]`.

        Log odds of the least certain pair and of the likeliest further cut; the expected numbers
        of pairs that are one and of groups that are two (logarithms); logarithms of the number of
        groups and of images; and the step, of the `alternatives`.
        """
        pairs = np.array([self.apart(groups[i], groups[j]) for i, j in self.nearest(groups)])
        cuts = np.array([self.cut(rows)[0] for rows in groups])
        least = pairs.min() if len(pairs) else SURE
        floor = 1e-4
        return np.array(
            [
                np.clip(least, -SURE, SURE),
                np.clip(cuts.max(), -SURE, SURE),
                np.log(expit(-pairs).sum() + floor),
                np.log(expit(cuts).sum() + floor),
                np.log(len(groups)),
                np.log(len(self._scene)),
                step,
            ]
        )


def _union(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))


def labels_of(groups: list[np.ndarray], size: int) -> np.ndarray:
    """`[size]` int of groups of rows, larger groups first."""
    labels = np.empty(size, dtype=int)
    for label, group in enumerate(sorted(groups, key=lambda rows: (-len(rows), rows.min()))):
        labels[group] = label
    return labels


def numbered(labels: np.ndarray) -> np.ndarray:
    """`[N]` int numbered from 0 without gaps, larger clusters first."""
    names = np.unique(labels)
    return labels_of([np.flatnonzero(labels == name) for name in names], len(labels))


def _assigned(
    scene: Scene, chosen: np.ndarray, found: np.ndarray, settings: OpenWorld
) -> np.ndarray:
    """Labels `[N]` of all images: of those searched what was found, of others the likeliest."""
    clusters = GaussianClusters.fit(scene.points[chosen], found, prior=settings.prior)
    labels = clusters.assign(scene.points, batch=BATCH)
    labels[chosen] = found
    return labels


def _rare(
    scene: Scene, chosen: np.ndarray, labels: np.ndarray, test: Logistic, settings: OpenWorld
) -> list[np.ndarray]:
    """Rows of generators too rare for the sample: among what fits no cluster found.

    The images that fit worst are searched once more, beside images of the sample. A group of them
    that is no large part of its cluster is a generator.

    Args:
        chosen: rows of the sample. labels: `[N]` int, so far.
    """
    clusters = GaussianClusters.fit(scene.points[chosen], labels[chosen], prior=settings.prior)
    wanted = round(MISFITS * settings.sample)
    worst = np.argsort(-clusters.misfit(scene.points), kind="stable")[:wanted]
    fitting = chosen[~np.isin(chosen, worst)]
    some = np.linspace(0, len(fitting) - 1, min(len(fitting), settings.sample - wanted))
    rows = np.concatenate([worst, fitting[some.astype(int)]])
    found = []
    for group in Search(scene.rows(rows), test, settings).groups():
        home = np.bincount(labels[rows[group]]).argmax()
        small = 2 * len(group) < (labels == home).sum()
        if small and np.mean(group < wanted) >= MOSTLY:
            found.append(rows[group])
    return found


def _likeliest(search: Search, test: SameOrAnother) -> tuple[list[np.ndarray], float]:
    """Of what the search finds and its alternatives, that whose number is likeliest right.

    Returns:
        The groups, and the probability that their number is right: one of the
        alternatives has to be.
    """
    found = search.alternatives(search.groups())
    doubts = {step: search.doubts(groups, step=step) for step, groups in found.items()}
    odds = dict(zip(doubts, test.count.log_odds(np.stack(list(doubts.values()))), strict=True))
    best = max(odds, key=lambda step: (odds[step], -abs(step)))
    confidence = np.exp(odds[best] - logsumexp(list(odds.values())))
    return found[best], float(confidence)


def discover(
    scene: Scene,
    test: SameOrAnother,
    settings: OpenWorld,
    *,
    count: int | None,
    seed: int,
    witness: Witness | None = None,
) -> Discovery:
    """Cluster the images of a scene; the number of clusters is found unless given.

    A given number starts from what is found, so that it cannot do worse without need.

    Args:
        count: number of clusters, at most N, or None to find it.
    """
    order = np.lexsort(scene.points.T[::-1])
    random = np.random.default_rng(seed)
    wanted = max(settings.sample, count or 1)
    chosen = order[np.sort(random.permutation(len(scene))[:wanted])]
    sample = scene.rows(chosen)
    with small_matrices():
        search = Search(sample, test.cut, settings, witness=witness)
        groups, confidence = _likeliest(search, test)
        if count is not None:
            groups = search.joined(groups, count=count)
            groups = search.split(groups, count=count)
        found = labels_of(search.settled(groups), len(sample))
        labels = np.empty(len(scene), dtype=int)
        if len(sample) < len(scene):
            labels = _assigned(scene, chosen, found, settings)
            rare = _rare(scene, chosen, labels, test.cut, settings) if count is None else []
            for label, rows in enumerate(rare, found.max() + 1):
                labels[rows] = label
            if rare:
                chosen = np.unique(np.concatenate([chosen, *rare]))
                labels = _assigned(scene, chosen, numbered(labels[chosen]), settings)
        else:
            labels[chosen] = found
    return Discovery(labels, confidence if count is None else None)
