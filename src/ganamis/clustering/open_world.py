"""Clusters of images by generator, and how many there are: one is a possible answer.

Groups are cut in two for as long as some cut leaves two generators; what is rather one is joined
again (over-cluster and merge, as Girish et al. 2021). Both ask the same question, and simulated
generators taught the answer (`same_or_another`). Many generators at once look like one more than
two do, so groups are also cut further than that; of all answers looked at, the likeliest is given.
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

FURTHER = -2.0  # log odds of two generators down to which groups are cut, the second time
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

    def groups(self, *, least: float | None = None) -> list[np.ndarray]:
        """Rows of each generator.

        Args:
            least: log odds of two generators from which on groups are cut; None: those from which
                on they are not joined again.
        """
        least = self._threshold if least is None else least
        waiting, done = [np.arange(len(self._scene))], []
        while waiting:
            group = waiting.pop()
            odds, second = self.cut(group)
            if second is not None and odds > least:
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
        if first[0] > second[0]:
            first, second = second, first
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

        What was joined is as far from another group as the furthest of its parts (complete
        linkage): groups of several generators look like one with anything.
        """
        joined = [[group] for group in groups]
        while len(joined) > (count or 1):
            whole = [_union(parts) for parts in joined]
            pairs = self.nearest(whole)
            odds = [
                max(self.apart(a, b) for a in joined[one] for b in joined[other])
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

    def alternatives(self) -> list[tuple[int, list[np.ndarray]]]:
        """Answers, each with its step: 0 what was found, cutting as far as two generators are
        likely and further; and up to `STEPS` joins (-1, -2, ...) and cuts (1, 2, ...) from it."""
        answers = []
        for least in (self._threshold, FURTHER):
            found = {0: self.groups(least=least)}
            middle = len(found[0])
            for step in range(1, STEPS + 1):
                if middle > step:
                    found[-step] = self.joined(found[1 - step], count=middle - step)
                if middle + step <= len(self._scene):
                    found[step] = self.split(found[step - 1], count=middle + step)
            answers += list(found.items())
        return answers

    def doubts(self, groups: list[np.ndarray], *, step: int) -> np.ndarray:
        """What may be wrong with the number: `[10]`.

        Log odds of the least certain pair, of the likeliest further cut, and of the likeliest one
        after it; the expected numbers of pairs that are one and of groups that are two
        (logarithms); logarithms of the numbers of groups, of images, of images in the smallest
        and in the largest group; and the step, of the `alternatives`.
        """
        pairs = np.array([self.apart(groups[i], groups[j]) for i, j in self.nearest(groups)])
        cuts = np.array([self.cut(rows)[0] for rows in groups])
        after = max(self._after(rows) for rows in groups)
        least = pairs.min() if len(pairs) else SURE
        sizes = [len(rows) for rows in groups]
        floor = 1e-4
        return np.array(
            [
                np.clip(least, -SURE, SURE),
                np.clip(cuts.max(), -SURE, SURE),
                np.clip(after, -SURE, SURE),
                np.log(expit(-pairs).sum() + floor),
                np.log(expit(cuts).sum() + floor),
                np.log(len(groups)),
                np.log(len(self._scene)),
                np.log(min(sizes)),
                np.log(max(sizes)),
                step,
            ]
        )

    def _after(self, rows: np.ndarray) -> float:
        """Log odds of two generators in either part of the best cut of some rows."""
        _, second = self.cut(rows)
        if second is None:
            return NONE
        return max(self.cut(rows[second])[0], self.cut(rows[~second])[0])


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


def _answer(
    search: Search, test: SameOrAnother, *, count: int | None
) -> tuple[list[np.ndarray], float | None]:
    """The likeliest of the answers that the search looks at.

    A number is as likely as all answers with as many groups together; of these, the likeliest
    stands for it.

    Args:
        count: how many groups there are, or None to find out. Where no answer has as many, the
            likeliest one is joined or cut until it has.

    Returns:
        The groups, and the probability that their number is right; None where it was given.
    """
    answers = search.alternatives()
    doubts = np.stack([search.doubts(groups, step=step) for step, groups in answers])
    odds = test.count.log_odds(doubts)  # against none of them being right
    numbers = np.array([len(groups) for _, groups in answers])
    likely = {
        number: float(logsumexp(odds[numbers == number])) for number in np.unique(numbers).tolist()
    }
    number = count if count in likely else max(likely, key=lambda each: likely[each])
    best = int(np.where(numbers == number, odds, -np.inf).argmax())
    groups = answers[best][1]
    if count is not None:
        return search.split(search.joined(groups, count=count), count=count), None
    return groups, float(np.exp(likely[number] - np.logaddexp(0.0, logsumexp(odds))))


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

    A given number is looked for among the same answers, so that it cannot do worse without need.

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
        groups, confidence = _answer(search, test, count=count)
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
    return Discovery(labels, confidence)
