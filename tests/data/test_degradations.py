"""Degradations: deterministic by image, whatever the order or batch."""

import numpy as np
import pytest

from ganamis.data.degradations import CLEAN, MIX, NAMES, TAUGHT, UNTAUGHT, degrade


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 80), dtype=np.uint8)


@pytest.mark.parametrize("name", [*NAMES, *UNTAUGHT])
def test_a_degradation_depends_on_the_image_alone(name: str) -> None:
    original = images()
    copy = original.copy()
    degraded = degrade(original, name, seed=3)
    np.testing.assert_array_equal(original, copy)
    turned = name == "turned90"
    shape = (6, 80, 64) if turned else original.shape
    assert degraded.shape == shape and degraded.dtype == np.uint8
    np.testing.assert_array_equal(degrade(original[::-1], name, seed=3), degraded[::-1])
    np.testing.assert_array_equal(degrade(original[2:3], name, seed=3), degraded[2:3])
    assert turned or (degraded != original).any() == (name != CLEAN)
    assert degrade(original[:0], name, seed=3).shape == (0, 64, 80)


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
    each = {name: degrade(many, name, seed=0) for name in TAUGHT if name not in (CLEAN, "noise1")}
    found = {name for name, same in each.items() if (same == mixed).all(axis=(1, 2)).any()}
    assert len(TAUGHT) == 10 and not set(TAUGHT) & set(UNTAUGHT)
    assert found == set(each) - {"noise3"}  # whose noise was drawn after the choice


def test_what_is_exact_is_exact() -> None:
    gray = images()
    for name, expected in {
        "inverted": 255 - gray,
        "turned90": np.rot90(gray, axes=(1, 2)),
        "mirrored": gray[:, :, ::-1],
        "upside_down": gray[:, ::-1],
        "contrast70": np.rint(127.5 + 0.7 * (gray - 127.5)),
        "window": np.clip(np.rint((gray - 20.0) * 255 / 180), 0, 255),
    }.items():
        np.testing.assert_array_equal(degrade(gray, name, seed=0), expected)
    np.testing.assert_array_equal(degrade(gray, "shifted", seed=0)[:, 5:, 11:], gray[:, :-5, :-11])
    assert len(np.unique(degrade(gray, "bits6", seed=0))) == 64
    median = np.median(gray[0, 9:12, 19:22])
    assert degrade(gray, "median3", seed=0)[0, 10, 20] == median


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="jpeg11.*choose one of clean"):
        degrade(images(), "jpeg11", seed=0)
