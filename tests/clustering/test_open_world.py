"""Clusters with their number unknown, one included."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.mixture import GaussianClusters, tied_mixture
from ganamis.clustering.open_world import WITNESS, OpenWorld, _join, discover
from ganamis.clustering.separation import pair_separation

SETTINGS = OpenWorld(dimensions=8, prior=30.0, threshold=0.4, smallest=4, sample=400)


def generators(count: int, images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Groups of unequal spread: one of them long in one direction."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(count, 12)) * 9
    labels = np.repeat(np.arange(count), images)
    points = centres[labels] + random.normal(size=(len(labels), 12))
    points[labels == 0, 5] *= 4
    return points, labels


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_number_is_found(count: int) -> None:
    points, truth = generators(count, 50)
    kept = points.copy()
    labels = discover(points, SETTINGS, count=None, seed=0)
    assert adjusted_rand_score(truth, labels) == 1.0 and labels.max() + 1 == count
    np.testing.assert_array_equal(points, kept)


def test_fifteen_images_each() -> None:
    points, truth = generators(4, 15)
    assert adjusted_rand_score(truth, discover(points, SETTINGS, count=None, seed=0)) == 1.0


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_a_given_number_is_kept(count: int) -> None:
    points, truth = generators(4, 20)
    labels = discover(points, SETTINGS, count=count, seed=0)
    assert sorted(set(labels.tolist())) == list(range(count))
    if count == 4:
        assert adjusted_rand_score(truth, labels) == 1.0


def test_row_order_does_not_matter() -> None:
    points, _ = generators(3, 30)
    order = np.random.default_rng(1).permutation(len(points))
    labels = discover(points, SETTINGS, count=None, seed=0)
    np.testing.assert_array_equal(
        discover(points[order], SETTINGS, count=None, seed=0), labels[order]
    )


def test_few_images_of_one_generator_beside_many_of_others() -> None:
    points, labels = generators(3, 120)
    kept = np.concatenate([np.flatnonzero(labels < 2), np.flatnonzero(labels == 2)[:12]])
    found = discover(points[kept], SETTINGS, count=None, seed=0)
    assert adjusted_rand_score(labels[kept], found) == 1.0


def test_one_close_pair_does_not_draw_in_the_rest() -> None:
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(8), 15)
    centres = random.normal(size=(8, 12)) * 3.5
    centres[1] = centres[0] + 0.5
    points = centres[labels] + random.normal(size=(120, 12))
    found = discover(points, SETTINGS, count=None, seed=0)
    merged = np.where(labels == 1, 0, labels)
    assert adjusted_rand_score(merged, found) > 0.9


def test_images_beyond_the_sample_are_assigned() -> None:
    points, truth = generators(3, 1000)
    labels = discover(points, SETTINGS, count=None, seed=0)
    assert adjusted_rand_score(truth, labels) > 0.99


@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_very_few_images_are_one_cluster(images: int) -> None:
    points, _ = generators(1, images)
    assert not discover(points, SETTINGS, count=None, seed=0).any()


def test_identical_images_are_one_cluster() -> None:
    assert not discover(np.ones((40, 5)), SETTINGS, count=None, seed=0).any()


def test_the_mixture_mends_a_rough_partition() -> None:
    points, truth = generators(2, 60)
    rough = truth.copy()
    rough[:15] = 1
    mended = tied_mixture(points - points.mean(axis=0), rough, prior=30.0, steps=30)
    assert adjusted_rand_score(truth, mended) == 1.0


def test_posteriors_are_bayes_rule() -> None:
    points, truth = generators(3, 40)
    clusters = GaussianClusters.fit(points, truth, prior=30.0)
    query = points[[0, 50, 100]]
    posteriors = clusters.posteriors(query)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1.0)
    for row, point in zip(posteriors, query, strict=True):
        naive = []
        for mean, whiten, constant in zip(
            clusters.means, clusters.whitenings, clusters.constants, strict=True
        ):
            precision = whiten @ whiten.T
            naive.append(np.exp(constant - 0.5 * (point - mean) @ precision @ (point - mean)))
        np.testing.assert_allclose(row, np.array(naive) / np.sum(naive), atol=1e-9)
    np.testing.assert_array_equal(clusters.assign(points, batch=7), truth)


def _joined_by_loops(points: np.ndarray, groups: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Measure every pair, as a whole and in parts, before each joining."""

    def measured(first: np.ndarray, second: np.ndarray) -> float:
        return pair_separation(
            points[first], points[second], dimensions=SETTINGS.dimensions, prior=SETTINGS.prior
        )

    apart = {
        (lower, upper): measured(groups[lower], groups[upper])
        for upper in range(len(groups))
        for lower in range(upper)
    }
    joined = [([part], rows) for part, rows in enumerate(groups)]
    while len(joined) > count:
        best = (np.inf, -1, -1)
        for upper in range(len(joined)):
            for lower in range(upper):
                (some, first), (others, second) = joined[lower], joined[upper]
                some = [part for part in some if len(groups[part]) >= WITNESS] or some
                others = [part for part in others if len(groups[part]) >= WITNESS] or others
                parts = min(apart[min(a, b), max(a, b)] for a in some for b in others)
                best = min(best, (max(parts, measured(first, second)), lower, upper))
        _, lower, upper = best
        (some, first), (others, second) = joined[lower], joined[upper]
        joined = [group for place, group in enumerate(joined) if place not in (lower, upper)]
        joined.append((some + others, np.concatenate([first, second])))
    return [rows for _, rows in joined]


@pytest.mark.parametrize("count", [2, 5, 9])
def test_joining_is_that_of_every_pair_measured(count: int) -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(300, 12)) * 4  # no generators: wholes and parts disagree
    pieces = fcluster(linkage(points, "ward"), 14, "maxclust")
    groups = [np.flatnonzero(pieces == piece) for piece in range(1, 15)]
    expected = _joined_by_loops(points, groups, count)
    found = _join(points, groups, SETTINGS, count=count)
    assert [group.tolist() for group in found] == [group.tolist() for group in expected]


def test_with_the_number_given_parts_by_processing_are_joined_first() -> None:
    """A part that processing moved far away is nearer to nothing; two generators are close."""
    random = np.random.default_rng(0)
    centres = np.zeros((4, 12))
    centres[:, :2] = [[0.0, 0.0], [8.0, 0.0], [0.0, 40.0], [0.0, 60.0]]  # the last was moved
    labels = np.repeat(np.arange(4), [40, 40, 40, 12])
    conditions = np.concatenate([np.arange(120) % 3, np.full(12, 3)])
    points = centres[labels] + random.normal(size=(len(labels), 12))
    found = discover(points, SETTINGS, count=3, seed=0, conditions=conditions)
    assert adjusted_rand_score(np.minimum(labels, 2), found) == 1.0
    without = discover(points, SETTINGS, count=3, seed=0)
    assert adjusted_rand_score(np.minimum(labels, 2), without) < 1.0
