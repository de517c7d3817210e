"""Mean spectra for looking at: cells against a loop, and what is taken away from them."""

import numpy as np
import pytest

from ganamis.extractors.power_spectra import (
    BINS,
    less_directions,
    less_mean,
    log_power_spectra,
    mean_spectra,
)


def _slow(image: np.ndarray, bins: int) -> np.ndarray:
    height, width = image.shape
    centred = (image - image.mean()) * np.outer(np.hanning(height), np.hanning(width))
    power = np.log(np.abs(np.fft.fftshift(np.fft.fft2(centred))) ** 2 + 1)
    cells = [[[] for _ in range(bins)] for _ in range(bins)]
    rows = [max(b for b in range(bins) if b * height // bins <= y) for y in range(height)]
    columns = [max(b for b in range(bins) if b * width // bins <= x) for x in range(width)]
    for (y, x), value in np.ndenumerate(power):
        cells[rows[y]][columns[x]].append(value)
    return np.array([[np.mean(cell) for cell in row] for row in cells])


@pytest.mark.parametrize("shape", [(64, 64), (100, 70), (128, 96)])
def test_cells_of_any_size_agree_with_a_loop(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert np.allclose(log_power_spectra(image[None])[0], _slow(image, BINS), rtol=1e-3)


def test_a_wave_shows_at_its_frequency_whatever_the_size() -> None:
    for width in (64, 100, 256):
        wave = 127 + 100 * np.cos(2 * np.pi * 0.25 * np.arange(width))
        image = np.tile(wave, (width, 1)).astype(np.uint8)
        row, column = np.unravel_index(log_power_spectra(image[None])[0].argmax(), (BINS, BINS))
        assert row == BINS // 2 and column in (BINS // 4, 3 * BINS // 4)


def test_means_are_of_each_group() -> None:
    images = np.random.default_rng(2).integers(0, 256, (5, 64, 64), dtype=np.uint8)
    groups = np.array(["a", "b", "a", "b", "b"])
    means = mean_spectra(images, groups)
    assert list(means) == ["a", "b"] and means["a"].dtype == np.float32
    assert np.allclose(means["b"], log_power_spectra(images[groups == "b"]).mean(axis=0))


def test_what_all_have_in_common_leaves() -> None:
    random = np.random.default_rng(3)
    shared, own = random.normal(size=(64, 64)), random.normal(size=(2, 64, 64))
    found = less_mean({"a": shared + own[0], "b": shared + own[1]})
    assert np.allclose(found["a"], (own[0] - own[1]) / 2)
    assert np.allclose(found["a"] + found["b"], 0)


def test_what_lies_in_all_directions_leaves_and_a_point_stays() -> None:
    rows, columns = np.indices((64, 64)) - 32
    spectrum = 20.0 - np.rint(np.hypot(rows, columns)) / 4
    assert np.allclose(less_directions({"a": spectrum})["a"], 0)
    spectrum[32, 48] += 5
    found = less_directions({"a": spectrum})["a"]
    assert found[32, 48] > 4.5 and np.abs(np.delete(found.ravel(), 32 * 64 + 48)).max() < 0.5
