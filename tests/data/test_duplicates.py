"""The search by a tree finds what comparing all pairs finds."""

import numpy as np
import pytest

from ganamis.data.duplicates import close_pairs


def points(count: int, *, dimensions: int, seed: int) -> np.ndarray:
    """Points of which many have a neighbour that is nearly or exactly the same."""
    random = np.random.default_rng(seed)
    apart = random.normal(0, 20, (count, dimensions))
    copies = apart[random.integers(0, count, count)]
    copies[::2] += random.normal(0, 0.3, copies[::2].shape)
    return np.concatenate([apart, copies]).astype(np.float32)


@pytest.mark.parametrize("radius", [0.0, 1.0, 5.0, 200.0])
@pytest.mark.parametrize("dimensions", [2, 40])
def test_pairs_are_those_of_a_naive_loop(radius: float, dimensions: int) -> None:
    some = points(40, dimensions=dimensions, seed=3)
    expected = {
        (i, j): float(np.linalg.norm(some[i].astype(np.float64) - some[j]))
        for i in range(len(some))
        for j in range(i + 1, len(some))
    }
    expected = {pair: distance for pair, distance in expected.items() if distance <= radius}
    pairs, distances = close_pairs(some, radius=radius, largest=10_000)
    assert [tuple(pair) for pair in pairs] == sorted(expected)
    np.testing.assert_allclose(distances, [expected[pair] for pair in sorted(expected)], atol=1e-9)


def test_the_search_ends_at_the_largest_number_of_pairs() -> None:
    pairs, distances = close_pairs(np.zeros((600, 5)), radius=1.0, largest=1000)
    assert len(pairs) == len(distances) == 1000
    assert len(close_pairs(np.zeros((1, 5)), radius=1.0, largest=10)[0]) == 0
