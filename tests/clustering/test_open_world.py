"""Clusters with their number unknown, one included."""

import numpy as np
import pytest
from scipy.stats import multivariate_t
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.evidence import NAMES, Scene
from ganamis.clustering.mixture import (
    DEGREES,
    MEAN_PRIOR,
    STUDENT_STEPS,
    GaussianClusters,
    student_mixture,
    tied_mixture,
)
from ganamis.clustering.open_world import FURTHER, OpenWorld, Search, small_matrices
from ganamis.clustering.open_world import discover as discover_scene
from ganamis.clustering.same_or_another import shipped_test

SETTINGS = OpenWorld(dimensions=8, prior=30.0, threshold=0.5, smallest=4, sample=400)


def scene(points: np.ndarray, content: np.ndarray | None = None) -> Scene:
    """Points with content that has nothing to do with them, and one kind of processing."""
    random = np.random.default_rng(9)
    if content is None:
        content = random.normal(size=(len(points), 6))
    # Views scatter around their image, each more than their mean.
    noise = random.normal(size=(len(points), 4, points.shape[1]))
    views = points[:, None] + noise - noise.mean(axis=1, keepdims=True)
    return Scene.of(points, views, content, np.zeros(len(points), dtype=int))


def discover(
    points: np.ndarray, settings: OpenWorld, *, count: int | None, seed: int
) -> np.ndarray:
    return discover_scene(scene(points), shipped_test(), settings, count=count, seed=seed).labels


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
    whole, test = scene(points), shipped_test()
    # Blocks are numbered as they come, so those of the whole scene are kept.
    first = discover_scene(whole, test, SETTINGS, count=None, seed=0)
    second = discover_scene(whole.rows(order), test, SETTINGS, count=None, seed=0)
    np.testing.assert_array_equal(second.labels, first.labels[order])
    assert second.confidence == pytest.approx(first.confidence)


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


def test_the_student_mixture_is_the_textbook_one() -> None:
    """Every step with scipy's density, on groups that overlap."""
    random = np.random.default_rng(7)
    labels = np.repeat([0, 1, 2], 40)
    points = random.normal(size=(3, 5))[labels] * 1.5 + random.standard_t(3, size=(120, 5))
    points -= points.mean(axis=0)
    shares, nearness = np.eye(3)[labels], np.ones((120, 3))
    for _ in range(STUDENT_STEPS):
        weights = shares * nearness
        means = [weights[:, k] @ points / (weights[:, k].sum() + MEAN_PRIOR) for k in range(3)]
        spread = 30.0 * np.eye(5)
        for k in range(3):
            spread += (points - means[k]).T @ ((points - means[k]) * weights[:, [k]])
            spread += MEAN_PRIOR * np.outer(means[k], means[k])
        covariance = spread / (30.0 + 120)
        inverse = np.linalg.inv(covariance)
        density = [multivariate_t(mean, covariance, df=DEGREES).pdf(points) for mean in means]
        joint = shares.mean(axis=0) * np.stack(density, axis=1)
        shares = joint / joint.sum(axis=1, keepdims=True)
        apart = [np.einsum("ni,ij,nj->n", points - m, inverse, points - m) for m in means]
        nearness = (DEGREES + 5) / (DEGREES + np.stack(apart, axis=1))
    found = student_mixture(points, labels, prior=30.0, tolerance=-np.inf)
    np.testing.assert_array_equal(found, shares.argmax(axis=1))
    assert (found != labels).any()


def test_outliers_draw_no_component_of_the_student_mixture() -> None:
    random = np.random.default_rng(8)
    truth = np.repeat([0, 1], 60)
    points = random.normal(size=(120, 12)) + 3.0 * truth[:, None] / np.sqrt(12) * 2
    points[:5] += random.normal(size=(5, 12)) * 12
    points -= points.mean(axis=0)
    rough = np.where(np.arange(120) < 5, 1, truth)  # outliers of the first in the second
    settled = student_mixture(points, rough, prior=30.0)
    assert adjusted_rand_score(truth[5:], settled[5:]) > 0.95


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


def test_copies_of_pictures_are_seldom_generators() -> None:
    """Thirty pictures, ten times each, as unlike as generators: one is found in five of six."""
    found = []
    for seed in range(4, 10):
        random = np.random.default_rng(seed)
        pictures = np.repeat(np.arange(30), 10)
        content = random.normal(size=(30, 6))[pictures] + random.normal(size=(300, 6)) / 50
        points = random.normal(size=(30, 12))[pictures] * 4 + random.normal(size=(300, 12)) / 2
        drawn = scene(points, content)
        labels = discover_scene(drawn, shipped_test(), SETTINGS, count=None, seed=0).labels
        found.append(int(labels.max()) + 1)
    assert found.count(1) >= 5


def test_a_given_number_keeps_what_was_found() -> None:
    points, _ = generators(5, 30)
    found = discover(points, SETTINGS, count=None, seed=0)
    given = discover(points, SETTINGS, count=int(found.max()) + 1, seed=0)
    np.testing.assert_array_equal(found, given)
    fewer = discover(points, SETTINGS, count=3, seed=0)
    for label in range(found.max() + 1):
        assert len(set(fewer[found == label].tolist())) == 1


def test_no_group_is_settled_away() -> None:
    """A group of a few images that the mixture would leave without any stays as it was found."""
    points, truth = generators(2, 40)
    search = Search(scene(points), shipped_test().cut, SETTINGS)
    sound = [np.flatnonzero(truth == 0), np.flatnonzero(truth == 1)]
    astray = [np.append(sound[0], sound[1][:3]), sound[1][3:]]
    for found, expected in zip(search.settled(astray), sound, strict=True):
        np.testing.assert_array_equal(found, expected)
    slivers = [sound[0][:4], sound[0][4:], sound[1]]
    settled = search.settled(slivers)
    assert all(len(group) >= 4 for group in settled)


def test_confidence_is_a_probability_and_belongs_to_a_number_found() -> None:
    points, _ = generators(3, 30)
    test = shipped_test()
    found = discover_scene(scene(points), test, SETTINGS, count=None, seed=0)
    assert found.confidence is not None and 0 < found.confidence < 1
    search = Search(scene(points), test.cut, SETTINGS)
    share: dict[int, float] = {}  # of each number, relative to that none is right
    for step, groups in search.alternatives():
        odds = float(test.count.log_odds(search.doubts(groups, step=step)[None])[0])
        share[len(groups)] = share.get(len(groups), 0.0) + np.exp(odds)
    assert max(share, key=lambda number: share[number]) == found.labels.max() + 1
    likeliest = max(share.values()) / (1 + sum(share.values()))
    assert found.confidence == pytest.approx(likeliest, abs=1e-3)  # rows in another order
    given = discover_scene(scene(points), test, SETTINGS, count=3, seed=0)
    assert given.confidence is None


@pytest.mark.parametrize("count", [4, 2, None])
def test_what_is_joined_is_as_far_from_others_as_its_furthest_part(count: int | None) -> None:
    points, truth = generators(4, 24)
    groups = [
        np.flatnonzero((truth == g) & (np.arange(96) % 2 == h)) for g in range(4) for h in (0, 1)
    ]
    with small_matrices():
        search = Search(scene(points), shipped_test().cut, SETTINGS)
        joined = search.joined(groups, count=count)
        between = {
            (a, b): search.apart(groups[a], groups[b]) for a in range(8) for b in range(8) if a != b
        }
        naive = [{at} for at in range(8)]
        while len(naive) > (count or 1):
            pairs = [(i, j) for j in range(len(naive)) for i in range(j)]
            furthest = [max(between[a, b] for a in naive[i] for b in naive[j]) for i, j in pairs]
            if count is None and min(furthest) > 0:
                break
            i, j = pairs[int(np.argmin(furthest))]
            naive[i] |= naive.pop(j)
    expected = {np.sort(np.concatenate([groups[at] for at in each])).tobytes() for each in naive}
    assert {group.tobytes() for group in joined} == expected
    if count != 2:
        assert [len(set(truth[group].tolist())) for group in joined] == [1, 1, 1, 1]


def test_groups_are_cut_further_when_asked_to() -> None:
    """What is cut too far is joined again."""
    points, truth = generators(4, 24)
    search = Search(scene(points), shipped_test().cut, SETTINGS)
    steps = [step for step, _ in search.alternatives()]
    assert sorted(set(steps)) == list(range(-3, 5)) and steps.count(0) == 2
    for least in (None, FURTHER):
        found = search.groups(least=least)
        assert [len(set(truth[rows].tolist())) for rows in found] == [1, 1, 1, 1]


def test_every_cut_judged_is_witnessed_with_its_statistics() -> None:
    points, _ = generators(2, 30)
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    discover_scene(
        scene(points),
        shipped_test(),
        SETTINGS,
        count=None,
        seed=0,
        witness=lambda rows, second, found: seen.append((rows, second, found)),
    )
    assert seen
    for rows, second, found in seen:
        assert len(rows) == len(second) and found.shape == (len(NAMES),)
        assert np.isfinite(found).all()


def test_a_generator_too_rare_for_the_sample_is_found() -> None:
    points, truth = generators(4, 900)
    kept = np.concatenate([np.flatnonzero(truth < 3), np.flatnonzero(truth == 3)[:10]])
    found = discover(points[kept], SETTINGS, count=None, seed=0)
    assert found.max() == 3
    assert adjusted_rand_score(truth[kept], found) > 0.99
    assert len(set(found[-10:].tolist())) == 1 and (found == found[-1]).sum() == 10


def test_misfit_is_the_distance_from_the_nearest_cluster() -> None:
    points, truth = generators(3, 40)
    clusters = GaussianClusters.fit(points, truth, prior=30.0)
    found = clusters.misfit(points[:5])
    for point, value in zip(points[:5], found, strict=True):
        precisions = [whiten @ whiten.T for whiten in clusters.whitenings]
        apart = [point - mean for mean in clusters.means]
        naive = min(d @ p @ d for d, p in zip(apart, precisions, strict=True))
        assert np.isclose(value, naive)
