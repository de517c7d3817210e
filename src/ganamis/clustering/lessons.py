"""What simulated generators teach the search: whether a cut is right, and whether a number is.

Draws of images are searched, and every cut that the search judges becomes a lesson: its statistics,
and whether it passes between generators. The search then goes over further draws with what it has
learned, since its own mistakes are the lessons it needs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ganamis.clustering.evidence import NAMES, Scene
from ganamis.clustering.open_world import FURTHER, OpenWorld, Search, small_matrices
from ganamis.clustering.same_or_another import Logistic

CLEAN_CUT, WRONG_CUT = 0.15, 0.4  # share of the smaller part on the wrong side: up to, from
CUT_STRENGTH, COUNT_PENALTY = 0.05, 0.003
# A number of draw to a scene and the generators `[N]` of its images.
Draw = Callable[[int], tuple[Scene, np.ndarray]]


def verdict(generators: np.ndarray, second: np.ndarray) -> float:
    """1 where a cut `[N]` bool passes between generators `[N]`, 0 where it does not, else NaN.

    A cut that leaves most of every generator on one side is wrong too.
    """
    names, which = np.unique(generators, return_inverse=True)
    inside = np.bincount(which, weights=second, minlength=len(names))
    outside = np.bincount(which, minlength=len(names)) - inside
    if len(set((inside > outside).tolist())) < 2:
        return 0.0
    lost = np.minimum(inside, outside).sum() / min(second.sum(), (~second).sum())
    return 1.0 if lost < CLEAN_CUT else (0.0 if lost > WRONG_CUT else np.nan)


@dataclass
class Lessons:
    """Statistics of cuts, their truth and their weights, as they come in."""

    statistics: list[np.ndarray] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def witness(self, generators: np.ndarray) -> Callable[..., None]:
        """Keeps what a search among images of these generators `[N]` judges."""

        def see(rows: np.ndarray, second: np.ndarray, statistics: np.ndarray) -> None:
            answer = verdict(generators[rows], second)
            if not np.isnan(answer):
                self.statistics.append(statistics)
                self.truth.append(answer)
                # Large draws have many cuts, all much alike.
                self.weights.append(1 / np.sqrt(len(generators)))

        return see

    def learned(self) -> Logistic:
        """The regression; where all cuts are of one kind there is nothing to learn.

        Raises:
            ValueError: no lesson, or all with one answer.
        """
        weights = np.array(self.weights)
        return Logistic.fit(
            np.stack(self.statistics),
            np.array(self.truth) > 0.5,
            weights / weights.mean(),
            strength=CUT_STRENGTH,
        )


def novice() -> Logistic:
    """A first guess, for the search that gathers the first lessons: distance and gap alone."""
    dimensions = len(NAMES)
    weights = np.zeros(dimensions + dimensions * (dimensions + 1) // 2)
    weights[NAMES.index("distance")], weights[NAMES.index("gap")] = 3.0, 5.0
    centre = np.zeros(dimensions)
    centre[NAMES.index("distance")], centre[NAMES.index("gap")] = np.log(5.0), np.log(0.35)
    return Logistic(tuple(centre), (1.0,) * dimensions, tuple(weights), 0.0)


def teach_cuts(draw: Draw, settings: OpenWorld, *, rounds: Iterable[Iterable[int]]) -> Logistic:
    """Learn whether two groups are two generators.

    Args:
        rounds: numbers of the draws of each round; every round starts from what the ones before
            have taught.
    """
    lessons, test = Lessons(), novice()
    with small_matrices():
        for numbers in rounds:
            for number in numbers:
                scene, generators = draw(number)
                search = Search(scene, test, settings, witness=lessons.witness(generators))
                search.groups(least=FURTHER)
            test = lessons.learned()
    return test


def teach_doubts(
    draw: Draw, settings: OpenWorld, test: Logistic, *, numbers: Iterable[int]
) -> Logistic:
    """Learn which number of generators is right, given the `doubts` of all answers.

    Args:
        draw: of other generators than those that taught `test`.
    """
    draws = []
    with small_matrices():
        for number in numbers:
            scene, generators = draw(number)
            search, true = Search(scene, test, settings), len(np.unique(generators))
            answers = search.alternatives()
            doubts = [search.doubts(groups, step=step) for step, groups in answers]
            right = [len(groups) == true for _, groups in answers]
            draws.append((np.stack(doubts), np.array(right)))
    return Logistic.choosing(draws, penalty=COUNT_PENALTY)
