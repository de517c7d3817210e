"""One population or two: the cross-fitted axis and its dip."""

import numpy as np

from ganamis.clustering.separation import (
    fisher_projection,
    local_coordinates,
    pair_separation,
    separation,
)


def blobs(distance: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    points = np.random.default_rng(seed).normal(size=(2 * count, 8))
    second = np.arange(2 * count) >= count
    points[second, 3] += distance
    return points, second


def test_halves_of_one_population_are_not_separate() -> None:
    points, _ = blobs(0.0, 100)
    halves = points[:, 0] > 0
    assert separation(points, halves, prior=30.0) < 0.3


def test_two_populations_are_separate_at_every_size() -> None:
    for count in (15, 80, 400):
        points, second = blobs(7.0, count)
        assert separation(points, second, prior=30.0) > 0.38


def test_a_small_group_is_separate_from_a_large_one() -> None:
    points, second = blobs(9.0, 200)
    kept = np.concatenate([np.flatnonzero(~second), np.flatnonzero(second)[:10]])
    assert separation(points[kept], second[kept], prior=30.0) > 0.4


def test_the_tail_of_one_population_is_not() -> None:
    points, _ = blobs(0.0, 200)
    for share in (0.03, 0.1, 0.3):
        tail = points[:, 0] > np.quantile(points[:, 0], 1 - share)
        assert separation(points, tail, prior=30.0) < 0.35


def test_a_uniform_population_has_no_gap() -> None:
    points = np.random.default_rng(1).normal(size=(200, 8))
    points[:, 0] = np.linspace(-20, 20, 200)
    assert separation(points, points[:, 0] > 0, prior=30.0) < 0.3


def test_row_order_and_group_order_do_not_matter() -> None:
    points, second = blobs(5.0, 40)
    order = np.random.default_rng(2).permutation(len(points))
    value = separation(points, second, prior=30.0)
    assert np.isclose(separation(points[order], second[order], prior=30.0), value)
    assert np.isclose(separation(points, ~second, prior=30.0), value, atol=0.05)


def test_the_projection_of_a_point_never_saw_it() -> None:
    points, second = blobs(6.0, 25)
    positions = fisher_projection(points, second, prior=5.0)
    assert positions is not None
    assert abs(positions[~second].mean() + 1) < 0.2 and abs(positions[second].mean() - 1) < 0.2


def test_too_few_points_give_no_projection() -> None:
    points, second = blobs(6.0, 25)
    assert fisher_projection(points[:27], second[:27], prior=5.0) is None
    assert separation(points[:27], second[:27], prior=5.0) == 0.0


def test_a_pair_in_local_coordinates() -> None:
    points, second = blobs(7.0, 60)
    local = local_coordinates(points, dimensions=3)
    assert local.shape == (120, 3) and np.all(np.diff(local.var(axis=0)) <= 0)
    assert pair_separation(points[~second], points[second], dimensions=4, prior=30.0) > 0.38
