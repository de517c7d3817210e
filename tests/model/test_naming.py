"""Names of clusters and their calibrated scores."""

import numpy as np
import pytest

from ganamis.model.calibration import group_distances
from ganamis.model.naming import (
    EVEN_ODDS,
    Calibration,
    distances,
    lineage,
    name_clusters,
)
from tests.builders import PARAMS

CALIBRATION = Calibration(slope=-2.0, intercept=5.0, threshold=0.5)


def test_the_calibration_separates_what_it_was_shown() -> None:
    apart = np.array([0.1, 0.8, 1.2, 1.0, 4.0, 6.0, 9.0, 5.0])
    same = apart < 2
    calibration = Calibration.fit(apart, same)
    claimed = calibration.probability(apart) >= calibration.threshold
    np.testing.assert_array_equal(claimed, same)
    assert np.all(np.diff(calibration.probability(np.linspace(0, 9, 20))) < 0)


def test_without_examples_of_both_kinds_the_rule_is_fixed() -> None:
    calibration = Calibration.fit(np.empty(0), np.empty(0, dtype=bool))
    assert calibration.probability(np.array([EVEN_ODDS]))[0] == pytest.approx(0.5)


def test_names_and_scores() -> None:
    apart = np.array([[0.5, 8.0], [9.0, 7.0], [6.0, 1.0], [5.0, 5.0], [9.0, 0.2]])
    found = name_clusters(apart, ("a", "b"), CALIBRATION)
    names = ["a", "unknown-1", "unknown-2", "unknown-3", "b"]  # two claim b, the last is nearer
    assert [cluster.name for cluster in found] == names
    assert [cluster.known for cluster in found] == [True, False, False, False, True]
    scores = [cluster.score for cluster in found]
    assert scores[2] < 0.5, "called unknown, and likely enough b"
    assert min(scores[:2] + scores[3:]) > 0.5 and max(scores) <= 1


@pytest.mark.parametrize(
    ("generators", "numbers"),
    [
        (("unknown-1", "b"), ["unknown-2", "unknown-3"]),
        (("Unknown-1", "UNKNOWN-3"), ["unknown-2", "unknown-4"]),
        (("unknown", "unknown-2"), ["unknown-1", "unknown-3"]),
    ],
)
def test_no_unknown_one_bears_the_name_of_a_known_generator(
    generators: tuple[str, str], numbers: list[str]
) -> None:
    apart = np.array([[9.0, 9.0], [0.5, 9.0], [8.0, 8.0], [9.0, 0.5]])
    found = name_clusters(apart, generators, CALIBRATION)
    assert [cluster.name for cluster in found if not cluster.known] == numbers
    assert [cluster.name for cluster in found if cluster.known] == list(generators)
    assert len({cluster.name.casefold() for cluster in found}) == 4


def test_without_known_generators_all_are_unknown() -> None:
    found = name_clusters(np.empty((2, 0)), (), CALIBRATION)
    assert [cluster.name for cluster in found] == ["unknown-1", "unknown-2"]
    assert [cluster.score for cluster in found] == [1.0, 1.0]


def test_distances_of_groups_large_and_small() -> None:
    random = np.random.default_rng(0)
    known = [random.normal(size=(60, 10)) + 3 * centre for centre in range(3)]
    asked = [random.normal(size=(count, 10)) + 3 for count in (1, 4, 60)]
    stranger = [random.normal(size=(4, 10)) - 6]
    found = distances(asked + stranger, known, prior=30.0, independent=10)
    assert found.shape == (4, 3)
    assert (found[:3].argmin(axis=1) == 1).all() and (found[:3, 1] < 0).all()
    assert (found[3] > 5).all() and (np.delete(found[:3], 1, axis=1) > 5).all()
    assert distances([], known, prior=30.0, independent=10).shape == (0, 3)


def test_a_generator_is_known_in_whichever_look_it_is_nearest() -> None:
    random = np.random.default_rng(0)
    clean = [random.normal(size=(30, 10)) + 5 * centre for centre in range(3)]
    processed = [points + 20 for points in clean]
    asked = [random.normal(size=(10, 10)) + 5, random.normal(size=(10, 10)) + 25]
    found = group_distances(asked, [processed, clean], settings=PARAMS.model)
    assert (found.argmin(axis=1) == 1).all() and (found[:, 1] < 0).all()
    each = [group_distances(asked, [look], settings=PARAMS.model) for look in (clean, processed)]
    np.testing.assert_array_equal(found, np.minimum(*each))
    assert group_distances(asked, [[], []], settings=PARAMS.model).shape == (2, 0)


def test_lineage_joins_the_nearest_first() -> None:
    groups = [np.full((3, 2), centre, dtype=float) for centre in (0.0, 10.0, 1.0)]
    assert lineage(groups)[0, :2].tolist() == [0, 2]
    assert lineage(groups[:1]).shape == (0, 4)


def test_of_clusters_that_claim_one_generator_the_nearest_bears_its_name() -> None:
    calibration = Calibration(slope=-1.0, intercept=5.0, threshold=0.5)
    apart = np.array([[3.0, 9.0], [1.0, 9.0], [9.0, 9.0], [1.0, 8.0]])
    named = name_clusters(apart, ("a", "b"), calibration)
    assert [cluster.name for cluster in named] == ["unknown-1", "a", "unknown-2", "unknown-3"]
    assert [cluster.known for cluster in named] == [False, True, False, False]
    assert named[0].score < 0.5 < named[2].score  # the first is doubtful


def test_many_distances_of_zero_do_not_drag_the_threshold_to_zero() -> None:
    apart = np.array([0.0] * 20 + [6.0, 8.0, 7.0])
    calibration = Calibration.fit(apart, apart < 1)
    assert calibration.probability(np.array([1.5]))[0] >= calibration.threshold
    assert calibration.probability(np.array([6.0]))[0] < calibration.threshold
