"""Names of clusters and their calibrated scores."""

import numpy as np
import pytest

from ganamis.attribution.known_models import (
    Calibration,
    group_distance,
    join_known,
    lineage,
    name_clusters,
)


def test_the_calibration_separates_what_it_was_shown() -> None:
    distances = np.array([0.1, 0.8, 1.2, 1.0, 4.0, 6.0, 9.0, 5.0])
    same = distances < 2
    calibration = Calibration.fit(distances, same)
    claimed = calibration.probability(distances) >= calibration.threshold
    np.testing.assert_array_equal(claimed, same)
    assert np.all(np.diff(calibration.probability(np.linspace(0, 9, 20))) < 0)


def test_without_examples_of_both_kinds_the_rule_is_fixed() -> None:
    calibration = Calibration.fit(np.empty(0), np.empty(0, dtype=bool))
    assert calibration.probability(np.array([2.5]))[0] == pytest.approx(0.5)


def test_names_and_scores() -> None:
    calibration = Calibration(slope=-2.0, intercept=5.0, threshold=0.5)
    distances = np.array([[0.5, 8.0], [9.0, 7.0], [6.0, 1.0], [5.0, 5.0], [9.0, 0.2]])
    names, scores = name_clusters(distances, ("a", "b"), calibration)
    assert names == ("a", "unknown-1", "b", "unknown-2", "b")
    assert scores.min() > 0.5 and scores.max() <= 1


def test_distances_of_groups_large_and_small() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(200, 10)), random.normal(size=(200, 10)) + 2
    apart = group_distance(first, second, dimensions=8, prior=30.0)
    assert apart == pytest.approx(2 * np.sqrt(10), rel=0.15)
    assert group_distance(first[:100], first[100:], dimensions=8, prior=30.0) < 1
    assert group_distance(first[:1], second, dimensions=8, prior=30.0) > 4


def test_lineage_joins_the_nearest_first() -> None:
    groups = [np.full((3, 2), centre, dtype=float) for centre in (0.0, 10.0, 1.0)]
    assert lineage(groups)[0, :2].tolist() == [0, 2]
    assert lineage(groups[:1]).shape == (0, 4)


def test_clusters_of_one_known_generator_are_joined() -> None:
    labels = np.array([0, 1, 2, 3, 3, 1])
    joined = join_known(labels, ("a", "unknown-1", "a", "unknown-2"), ("a", "b"))
    assert joined.tolist() == [0, 1, 0, 2, 2, 1]
    np.testing.assert_array_equal(join_known(labels, ("a", "b", "x", "y"), ("a", "b")), labels)


def test_many_distances_of_zero_do_not_drag_the_threshold_to_zero() -> None:
    distances = np.array([0.0] * 20 + [6.0, 8.0, 7.0])
    calibration = Calibration.fit(distances, distances < 1)
    assert calibration.probability(np.array([1.5]))[0] >= calibration.threshold
    assert calibration.probability(np.array([6.0]))[0] < calibration.threshold
