"""Scores against hand counts, naive loops and scikit-learn; their uncertainty against chance."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    adjusted_rand_score,
    completeness_score,
    homogeneity_score,
    normalized_mutual_info_score,
)

from ganamis.clustering.scores import adjusted_rand_index, ari_difference, score
from ganamis.contracts import Scorecard
from ganamis.errors import UserError

PERFECT = np.repeat([0, 1, 2], 20)
NAMES = np.repeat(["x", "y", "z"], 20)

partitions = st.integers(2, 24).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-1, 4), min_size=n, max_size=n)] * 2)
)


def card(labels: np.ndarray, generators: np.ndarray, *, seed: int = 3) -> Scorecard:
    return score(labels, generators, bootstrap=300, permutations=300, seed=seed)


def counted_ari(labels: list[int], truth: list[int], image: list[int] | None = None) -> float:
    """The index by its definition: agreement over pairs, less what chance would give.

    image: which image each row is, where one occurs twice; no image is paired with itself.
    """
    image = image or list(range(len(labels)))
    pairs = [(i, j) for i, j in combinations(range(len(labels)), 2) if image[i] != image[j]]
    same = [labels[i] == labels[j] for i, j in pairs]
    true = [truth[i] == truth[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(same, true, strict=True))
    chance = sum(same) * sum(true) / len(pairs)
    most = (sum(same) + sum(true)) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([[3, 0], [0, 4]], 1.0),
        ([[0, 4], [3, 0]], 1.0),
        # 4 images, clusters {a, a} {b, b} against {a, b} {a, b}: no pair is common.
        # (0 - 2 * 2 / 6) / (2 - 2 * 2 / 6) = -1/2
        ([[1, 1], [1, 1]], -0.5),
        # 6 images, 3 + 3 against 4 + 2: pairs 3 + 1 = 4, margins 6 and 7, of 15.
        # (4 - 42/15) / (13/2 - 42/15) = 12/37
        ([[3, 0], [1, 2]], 12 / 37),
        ([[2, 3, 4]], 0.0),  # one cluster for everything says nothing
        ([[9]], 1.0),
        ([[1, 0], [0, 1]], 1.0),
    ],
)
def test_hand_counted_tables(table: list[list[int]], expected: float) -> None:
    assert adjusted_rand_index(np.array(table)) == pytest.approx(expected, abs=1e-12)


def test_many_tables_at_once_are_as_each_alone() -> None:
    tables = np.random.default_rng(0).integers(0, 9, (2, 5, 3, 4))
    alone = [[adjusted_rand_index(table) for table in row] for row in tables]
    np.testing.assert_array_equal(adjusted_rand_index(tables), alone)


def test_pairs_of_an_image_with_its_own_copy_are_left_out() -> None:
    random = np.random.default_rng(8)
    labels, truth = random.integers(0, 3, 12), random.integers(0, 2, 12)
    for _ in range(20):
        drawn = random.integers(0, 12, 12)
        counts, copies = np.zeros((3, 2)), np.zeros((3, 2))
        for image, times in zip(*np.unique(drawn, return_counts=True), strict=True):
            counts[labels[image], truth[image]] += times
            copies[labels[image], truth[image]] += times**2
        expected = counted_ari(labels[drawn].tolist(), truth[drawn].tolist(), drawn.tolist())
        assert adjusted_rand_index(counts, copies) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(partitions)
def test_scores_agree_with_loops_and_scikit_learn(pair: tuple[list[int], list[int]]) -> None:
    labels, truth = pair
    names = np.array([f"g{name}" for name in truth])
    found = score(np.array(labels), names, bootstrap=2, permutations=2, seed=0)
    assert found.ari == pytest.approx(counted_ari(labels, truth), abs=1e-9)
    assert found.ari == pytest.approx(adjusted_rand_score(truth, labels), abs=1e-9)
    assert found.nmi == pytest.approx(normalized_mutual_info_score(truth, labels), abs=1e-9)
    assert found.homogeneity == pytest.approx(homogeneity_score(truth, labels), abs=1e-9)
    assert found.completeness == pytest.approx(completeness_score(truth, labels), abs=1e-9)
    assert found.clusters == len(set(labels) - {-1})
    assert found.generators == len(set(truth))
    assert found.unassigned == labels.count(-1) / len(labels)


def test_names_of_clusters_and_order_of_images_do_not_matter() -> None:
    random = np.random.default_rng(1)
    labels = np.where(random.random(60) < 0.3, random.integers(0, 3, 60), PERFECT)
    plain = card(labels, NAMES)
    order = random.permutation(60)
    assert card(labels[order], NAMES[order]) == plain
    renamed = card(np.array([7, 2, 5])[labels], NAMES)
    assert (renamed.ari, renamed.nmi) == pytest.approx((plain.ari, plain.nmi), abs=1e-12)


def test_perfect_clusters() -> None:
    found = card(PERFECT, NAMES)
    assert (found.ari, found.ari_low, found.ari_high) == (1.0, 1.0, 1.0)
    assert found.p_value == pytest.approx(1 / 301)


def test_interval_holds_the_score_and_narrows_with_images() -> None:
    random = np.random.default_rng(2)
    widths = []
    for repeat in (1, 16):
        truth = np.repeat(PERFECT, repeat)
        labels = np.where(random.random(len(truth)) < 0.25, 0, truth)
        found = card(labels, np.array(["x", "y", "z"])[truth])
        assert found.ari_low < found.ari < found.ari_high
        widths.append(found.ari_high - found.ari_low)
    assert widths[1] < widths[0] / 2


def test_interval_covers_the_true_score() -> None:
    """Samples of a population of known ARI: the 95 % interval misses it seldom."""
    random = np.random.default_rng(3)
    cells = np.array([[0.25, 0.02, 0.05], [0.05, 0.3, 0.03], [0.03, 0.02, 0.25]])
    truth = float(adjusted_rand_index(cells * 1e6))
    covered = 0
    for seed in range(100):
        draw = random.choice(9, 200, p=cells.ravel())
        found = score(draw // 3, (draw % 3).astype(str), bootstrap=200, permutations=1, seed=seed)
        covered += found.ari_low <= truth <= found.ari_high
    assert 88 <= covered <= 100


def test_p_value_is_uniform_under_chance() -> None:
    random = np.random.default_rng(4)
    values = [
        score(random.permutation(PERFECT), NAMES, bootstrap=1, permutations=99, seed=s).p_value
        for s in range(200)
    ]
    assert min(values) > 0
    for level in (0.1, 0.25, 0.5, 0.75):
        assert np.mean(np.array(values) <= level) == pytest.approx(level, abs=0.1)


def test_same_seed_same_card() -> None:
    labels = np.random.default_rng(5).permutation(PERFECT)
    assert card(labels, NAMES) == card(labels, NAMES)
    assert card(labels, NAMES, seed=4).ari_low != card(labels, NAMES).ari_low


def test_one_image_cannot_be_scored() -> None:
    with pytest.raises(UserError, match="at least two labelled images, got 1"):
        card(np.array([0]), np.array(["x"]))


def test_difference_is_signed_paired_and_zero_for_equals() -> None:
    random = np.random.default_rng(6)
    worse = np.where(random.random(60) < 0.4, random.integers(0, 3, 60), PERFECT)
    ahead = ari_difference(PERFECT, worse, NAMES, bootstrap=400, seed=0)
    assert ahead.shape == (400,)
    assert (ahead > 0).all()
    assert ahead.mean() == pytest.approx(1 - adjusted_rand_score(NAMES, worse), abs=0.05)
    behind = ari_difference(worse, PERFECT, NAMES, bootstrap=400, seed=0)
    assert -behind.mean() == pytest.approx(ahead.mean(), abs=0.05)
    renamed = np.array([2, 0, 1])[worse]
    np.testing.assert_allclose(
        ari_difference(worse, renamed, NAMES, bootstrap=50, seed=0), 0, atol=1e-12
    )


def test_pairing_narrows_the_difference() -> None:
    """Two clusterings that err on the same images: resampled together, the errors cancel."""
    random = np.random.default_rng(7)
    first = np.where(random.random(60) < 0.4, random.integers(0, 3, 60), PERFECT)
    second = first.copy()
    second[0] = (second[0] + 1) % 3
    alone = card(first, NAMES)
    paired = ari_difference(first, second, NAMES, bootstrap=400, seed=0)
    assert np.ptp(np.percentile(paired, [2.5, 97.5])) < (alone.ari_high - alone.ari_low) / 2
