"""Residual statistics against counting by hand, window by window."""

from pathlib import Path

import numpy as np
import pytest
import scipy.fft

from ganamis.errors import UserError
from ganamis.extractors.loading import load_extractor
from ganamis.extractors.phases import phased_starts
from ganamis.extractors.residual_statistics import (
    EDGES,
    FAINT,
    LAGS,
    RARE,
    SOFT,
    ResidualStatistics,
)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.clip(random.normal(90, 12, (3, 96, 128)), 0, 255).astype(np.uint8)


def test_one_window_equals_counting_by_hand(images: np.ndarray) -> None:
    """Grid 1 has four cells of equal size; where they are equal, the window is the whole image."""
    quarter = images[0, :40, :40]
    found = ResidualStatistics(grid=1).embed(np.tile(quarter, (1, 2, 2)))[0]
    pixels = np.tile(quarter, (2, 2)).astype(float)
    starts = phased_starts(80, 2, extent=32)
    cosines = [
        np.abs(scipy.fft.dctn(pixels[r : r + 8, c : c + 8], norm="ortho")).ravel()[1:]
        for y in starts
        for x in starts
        for r in range(y, y + 32, 8)
        for c in range(x, x + 32, 8)
    ]
    np.testing.assert_allclose(found[-63:], np.log(np.mean(cosines, axis=0) + FAINT), atol=1e-4)


def test_histograms_equal_counting_by_hand(images: np.ndarray) -> None:
    found = ResidualStatistics(grid=1).embed(images)[:, : len(EDGES) + 1]
    difference = np.abs(np.diff(images.astype(int), axis=2))
    cells = []
    for rows in (slice(0, 48), slice(48, 96)):
        for columns in (slice(0, 63), slice(63, 127)):
            cell = difference[:, rows, columns]
            level = (cell[..., None] > EDGES).sum(axis=-1)
            cells.append([(level == n).mean(axis=(1, 2)) for n in range(len(EDGES) + 1)])
    np.testing.assert_allclose(found, np.log(np.mean(cells, axis=0).T + RARE), atol=1e-5)


def test_autocorrelation_equals_a_loop_over_pixels(images: np.ndarray) -> None:
    found = ResidualStatistics(grid=1).embed(images)[0, -63 - 19 : -63]
    pixels = images[0].astype(float)
    kernel = np.outer((1, -2, 1), (1, -2, 1))
    height, width = pixels.shape[0] - 2, pixels.shape[1] - 2
    residual = np.array(
        [
            [(pixels[r : r + 3, c : c + 3] * kernel).sum() for c in range(width)]
            for r in range(height)
        ]
    )
    soft = residual / (np.abs(residual) + SOFT)

    def window(values: np.ndarray) -> float:
        y, x = values.shape[0] // 2, values.shape[1] // 2
        return float(
            np.mean(
                [
                    values[a, b].mean()
                    for a in (np.s_[:y], np.s_[y:])
                    for b in (np.s_[:x], np.s_[x:])
                ]
            )
        )

    power = window(soft**2)
    for place, (down, right) in enumerate(LAGS):
        products = np.array(
            [
                [soft[r, c] * soft[r + down, c + right]
                 for c in range(max(0, -right), width - max(0, right))]
                for r in range(height - down)
            ]
        )  # fmt: skip
        assert found[place] == pytest.approx(window(products) / (power + 1e-4), abs=1e-4)
    assert found[-1] == pytest.approx(np.log(power + 1e-4), abs=1e-4)


def test_batches_saving_and_small_images(images: np.ndarray, tmp_path: Path) -> None:
    statistics = ResidualStatistics(grid=3)
    together = statistics.embed(images)
    assert together.dtype == np.float32 and together.shape[1] % statistics.views == 0
    np.testing.assert_allclose(statistics.embed(images[2:])[0], together[2], atol=1e-6)
    statistics.save(tmp_path)
    np.testing.assert_array_equal(load_extractor(tmp_path).embed(images), together)
    with pytest.raises(UserError, match="at least 64x64"):
        statistics.embed(images[:, :, :63])
