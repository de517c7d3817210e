"""Teaching the search: verdicts, what is learned, and that it is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganamis.clustering.evidence import NAMES, Scene
from ganamis.clustering.lessons import Lessons, novice, teach_cuts, teach_doubts, verdict
from ganamis.clustering.open_world import OpenWorld, discover
from ganamis.clustering.same_or_another import Logistic, SameOrAnother, shipped_test

SETTINGS = OpenWorld(dimensions=6, prior=30.0, threshold=0.5, smallest=4, sample=400)


def drawn(number: int) -> tuple[Scene, np.ndarray]:
    """One to four Gaussian generators."""
    random = np.random.default_rng(number)
    count = number % 4 + 1
    generators = np.repeat(np.arange(count), 25)
    centres = random.normal(size=(count, 8)) * 4
    points = centres[generators] + random.normal(size=(len(generators), 8))
    views = points[:, None] + random.normal(size=(len(points), 3, 8)) / 3
    content = random.normal(size=(len(points), 4))
    return Scene.of(points, views, content, np.zeros(len(points), dtype=int)), generators


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ([0, 0, 0, 0, 1, 1, 1, 1], 1.0),  # between
        ([0, 0, 1, 1, 0, 0, 1, 1], 0.0),  # through both
        ([0, 0, 0, 1, 0, 0, 0, 0], 0.0),  # most of both on one side
        ([0, 0, 0, 1, 1, 1, 1, 1], np.nan),  # an image astray among four: neither
    ],
)
def test_verdicts(second: list[int], expected: float) -> None:
    generators = np.repeat(["a", "b"], 4)
    found = verdict(generators, np.array(second, dtype=bool))
    np.testing.assert_equal(found, expected)


def test_regression_is_the_formula_it_stands_for() -> None:
    random = np.random.default_rng(0)
    statistics = random.normal(size=(300, 3)) * [1, 5, 0.1] + [0, 2, 1]
    truth = statistics[:, 0] + random.normal(size=300) / 3 > 0
    found = Logistic.fit(statistics, truth, np.ones(300), strength=1.0)
    assert np.mean((found.log_odds(statistics) > 0) == truth) > 0.85
    for row in statistics[:5]:
        standard = np.clip((row - found.centre) / found.scale, -4, 4)
        products = [standard[i] * standard[j] for i in range(3) for j in range(i, 3)]
        expected = np.dot([*standard, *products], found.weights) + found.intercept
        assert np.isclose(found.log_odds(row[None])[0], expected)


def test_choosing_from_single_answers_is_logistic_regression() -> None:
    random = np.random.default_rng(1)
    statistics = random.normal(size=(200, 3))
    truth = statistics[:, 0] + random.normal(size=200) / 2 > 0
    draws = [(row[None], np.array([right])) for row, right in zip(statistics, truth, strict=True)]
    found = Logistic.choosing(draws, penalty=0.01)
    usual = Logistic.fit(statistics, truth, np.ones(200), strength=1 / (0.01 * 200))
    np.testing.assert_allclose(
        found.log_odds(statistics), usual.log_odds(statistics), rtol=0.01, atol=0.01
    )


def test_choosing_is_the_likeliest_choice_among_all_answers() -> None:
    """No other weights give what was right, an answer or none of them, a better chance."""
    random = np.random.default_rng(2)
    draws = []
    for number in range(60):
        answers = random.normal(size=(int(random.integers(1, 6)), 2))
        right = np.full(len(answers), False)
        if number % 4:
            right[[answers[:, 0].argmax(), answers[:, 1].argmin()]] = True
        draws.append((answers, right))
    found = Logistic.choosing(draws, penalty=0.01)

    def objective(model: Logistic) -> float:
        chances = []
        for answers, right in draws:
            shares = np.exp(model.log_odds(answers))
            chances.append((shares[right].sum() if right.any() else 1.0) / (1 + shares.sum()))
        return float(-np.mean(np.log(chances)) + 0.01 * np.square(model.weights).sum() / 2)

    best = objective(found)
    for place in range(len(found.weights)):
        for change in (-0.05, 0.05):
            weights = list(found.weights)
            weights[place] += change
            assert objective(replace(found, weights=tuple(weights))) > best
    for change in (-0.05, 0.05):
        assert objective(replace(found, intercept=found.intercept + change)) > best


def test_lessons_teach_and_what_was_taught_is_kept(tmp_path: Path) -> None:
    cut = teach_cuts(drawn, SETTINGS, rounds=[range(16), range(20, 36)])
    learned = SameOrAnother(cut, teach_doubts(drawn, SETTINGS, cut, numbers=range(40, 60)))
    right = 0
    for number in range(100, 108):
        scene, generators = drawn(number)
        found = discover(scene, learned, SETTINGS, count=None, seed=0)
        right += len(set(found.labels.tolist())) == len(set(generators.tolist()))
    assert right >= 7
    learned.save(tmp_path / "test.json")
    assert SameOrAnother.load(tmp_path / "test.json") == learned


def test_a_search_only_learns_from_clear_cuts() -> None:
    lessons = Lessons()
    see = lessons.witness(np.repeat([0, 1], 4))
    rows = np.arange(8)
    see(rows, np.array([0, 0, 0, 1, 1, 1, 1, 1], dtype=bool), np.zeros(len(NAMES)))
    assert not lessons.truth
    see(rows, np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=bool), np.zeros(len(NAMES)))
    assert lessons.truth == [1.0]


def test_the_shipped_test_reads_the_statistics_of_this_version() -> None:
    test = shipped_test()
    assert len(test.cut.centre) == len(NAMES) == len(novice().centre)
    assert len(test.count.centre) == 10
