"""Degradations: deterministic by image, whatever the order or batch."""

import numpy as np
import pytest

from ganamis.data.degradations import CLEAN, DEGRADATIONS, MIX, NAMES, degrade


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 80), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_a_degradation_depends_on_the_image_alone(name: str) -> None:
    original = images()
    copy = original.copy()
    degraded = degrade(original, name, seed=3)
    np.testing.assert_array_equal(original, copy)
    assert degraded.shape == original.shape and degraded.dtype == np.uint8
    np.testing.assert_array_equal(degrade(original[::-1], name, seed=3), degraded[::-1])
    np.testing.assert_array_equal(degrade(original[2:3], name, seed=3), degraded[2:3])
    assert (degraded != original).any() == (name != CLEAN)


def test_noise_follows_the_seed_and_its_size() -> None:
    flat = np.full((4, 64, 64), 128, dtype=np.uint8)
    flat[:, 0, 0] = range(4)
    first, second = degrade(flat, "noise3", seed=0), degrade(flat, "noise3", seed=1)
    assert (first != second).any() and (first[0] != first[1]).any()
    assert np.std(first.astype(float) - flat) == pytest.approx(3.0, abs=0.1)


def test_a_mix_draws_among_all_the_others() -> None:
    many = images(60)
    mixed = degrade(many, MIX, seed=0)
    assert (mixed != many).any(axis=(1, 2)).all()
    assert len(DEGRADATIONS) == 10


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="jpeg11.*choose one of clean"):
        degrade(images(), "jpeg11", seed=0)
