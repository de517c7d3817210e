"""Clusters that are one generator's images after one kind of processing."""

import numpy as np

from ganamis.clustering.confounds import join_processed


def folder() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two generators, each under four conditions; the last moved the second generator away."""
    labels = np.repeat([0, 1, 2], [40, 30, 10])
    conditions = np.concatenate([np.arange(40) % 4, np.arange(30) % 3, np.full(10, 3)])
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [14.0, 3.0]])
    points = centres[labels] + np.random.default_rng(0).normal(size=(80, 2))
    return points, labels, conditions


def test_a_cluster_of_one_condition_returns_to_the_generator_that_lacks_it() -> None:
    points, labels, conditions = folder()
    joined = join_processed(points, labels, conditions)
    np.testing.assert_array_equal(joined, np.repeat([0, 1], 40))


def test_a_generator_under_all_conditions_stays() -> None:
    points, labels, conditions = folder()
    conditions[labels == 2] = np.arange(10) % 4
    np.testing.assert_array_equal(join_processed(points, labels, conditions), labels)


def test_generators_each_processed_in_one_way_stay() -> None:
    points, labels, _ = folder()
    np.testing.assert_array_equal(join_processed(points, labels, labels), labels)


def test_row_order_does_not_matter() -> None:
    points, labels, conditions = folder()
    order = np.random.default_rng(1).permutation(len(labels))
    joined = join_processed(points[order], labels[order], conditions[order])
    expected = join_processed(points, labels, conditions)[order]
    np.testing.assert_array_equal(joined, expected)


def test_as_many_clusters_as_are_asked_for_are_left() -> None:
    points, labels, conditions = folder()
    np.testing.assert_array_equal(join_processed(points, labels, conditions, least=3), labels)
    joined = join_processed(points, labels, conditions, least=2)
    np.testing.assert_array_equal(joined, np.repeat([0, 1], 40))
