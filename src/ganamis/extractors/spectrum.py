"""Local log power spectra: what up-sampling and convolution leave behind, with no training.

Overlapping Hann windows tile the image at its own resolution (Welch 1967); the power of each is
smoothed onto a coarse and a fine grid of frequencies and its logarithm taken. Power is averaged
over +f and -f, so that mirroring an image only swaps its windows.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.fft

from ganamis.errors import UserError
from ganamis.files import read_json, write_json

SPECTRUM_FILE = "spectrum.json"
QUANTISATION = np.float32(1 / 12)  # power of rounding to whole gray levels, per pixel
BATCH = 2  # images transformed at once by one thread: their windows fit into its cache


def frequency_kernel(length: int, period: int, *, two_sided: bool) -> np.ndarray:
    """Triangular averages of a transform's bins around the multiples of 1/period.

    Returns:
        `[period // 2 + 1, bins]` float32, rows summing to 1; bins of a transform of `length`.
    """
    spacing = scipy.fft.fftfreq(length) if two_sided else scipy.fft.rfftfreq(length)
    centres = np.arange(period // 2 + 1) / period
    distance = np.abs(np.abs(spacing) - centres[:, None])
    weights = np.maximum(0.0, 1.0 - distance / max(1 / period, 1 / length))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _hann(length: int) -> np.ndarray:
    """The periodic Hann window. `[length]` float64"""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


@lru_cache(maxsize=8)
def _plan(
    height: int, width: int, periods: tuple[int, ...]
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    window = np.outer(_hann(height), _hann(width))
    kernels = [
        (
            frequency_kernel(height, period, two_sided=True),
            np.ascontiguousarray(frequency_kernel(width, period, two_sided=False).T),
        )
        for period in periods
    ]
    return (window / np.sqrt((window**2).sum())).astype(np.float32), kernels


@dataclass(frozen=True)
class Spectrum:
    """Local log power spectra.

    grid: windows along each side, half overlapping. periods: the frequency grids, as multiples
    of 1/period cycles per pixel. threads: images are shared among so many.
    """

    grid: int
    periods: tuple[int, ...]
    threads: int

    smallest: ClassVar[int] = 64  # pixels along each side of an image

    @property
    def views(self) -> int:
        """Windows per image: `embed` puts their features one after the other."""
        return self.grid**2

    @property
    def dimensions(self) -> int:
        """Features of one window."""
        return sum((period // 2 + 1) ** 2 for period in self.periods)

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Features `[N, views * dimensions]` float32 of `[N, H, W]` uint8 images.

        Raises:
            UserError: the images are too small.
        """
        if min(images.shape[1:]) < self.smallest:
            raise UserError(
                f"a spectrum needs images of at least {self.smallest}x{self.smallest} pixels, "
                f"got {images.shape[2]}x{images.shape[1]}; leave the smaller ones out"
            )
        features = np.empty((len(images), self.views, self.dimensions), dtype=np.float32)
        starts = range(0, len(images), BATCH)

        def fill(start: int) -> None:
            features[start : start + BATCH] = self._windows(images[start : start + BATCH])

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(fill, starts))
        return features.reshape(len(images), -1)

    def _windows(self, images: np.ndarray) -> np.ndarray:
        """Features `[N, views, dimensions]`."""
        step_y, step_x = (side // (self.grid + 1) for side in images.shape[1:])
        window, kernels = _plan(2 * step_y, 2 * step_x, self.periods)
        pixels = images.astype(np.float32)
        corners = [(y * step_y, x * step_x) for y in range(self.grid) for x in range(self.grid)]
        tiles = np.stack(
            [pixels[:, y : y + 2 * step_y, x : x + 2 * step_x] for y, x in corners], axis=1
        )
        tiles = (tiles - tiles.mean(axis=(2, 3), keepdims=True)) * window
        transform = scipy.fft.rfft2(tiles)
        power = transform.real**2 + transform.imag**2
        smooth = [np.matmul(np.matmul(rows, power), columns) for rows, columns in kernels]
        flat = [grid.reshape(*grid.shape[:2], -1) for grid in smooth]
        return np.log(np.concatenate(flat, axis=2) + QUANTISATION)

    def save(self, folder: Path) -> None:
        write_json(folder / SPECTRUM_FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "Spectrum":
        stored = read_json(folder / SPECTRUM_FILE, stage="train")
        return cls(grid=stored["grid"], periods=tuple(stored["periods"]), threads=stored["threads"])
