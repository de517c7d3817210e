"""What a power spectrum cannot see: how residuals are distributed and follow one another.

Windows of an image are described by histograms of its differences, co-occurrences of their signs
(after Fridrich and Kodovsky 2012), the autocorrelation of softened residuals, and the spread of
the 63 coefficients of 8x8 cosine transforms (after Giudice et al. 2021, with a logarithm).
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.fft

from ganamis.errors import UserError
from ganamis.extractors.phases import PERIOD, phased_starts
from ganamis.files import read_json, write_json

STATISTICS_FILE = "statistics.json"
EDGES = np.array([0.5, 1.5, 2.5, 4.5, 8.5, 16.5])  # gray levels of an absolute difference
LARGEST = 17  # differences of more gray levels count alike
# Sums up what differences of -LARGEST to LARGEST have in common: `[2 LARGEST + 1, levels]`.
FOLD = np.eye(len(EDGES) + 1)[np.searchsorted(EDGES, np.abs(np.arange(-LARGEST, LARGEST + 1)))]
STRONG = 2  # gray levels from which a difference has a sign
SOFT = 4.0  # gray levels: a residual r counts as r / (|r| + 4) in autocorrelations
LAGS = (
    *((0, n) for n in (1, 2, 3, 4, 6, 8)),
    *((n, 0) for n in (1, 2, 3, 4, 6, 8)),
    *((n, n) for n in (1, 2, 4)),
    *((n, -n) for n in (1, 2, 4)),
)  # rows, columns
BLOCK = PERIOD  # pixels of a cosine transform
COSINES = scipy.fft.dct(np.eye(BLOCK), axis=0, norm="ortho").astype(np.float32)
RARE = 1e-3  # added to shares before their logarithm
FAINT = 0.02  # gray levels, added to spreads before their logarithm
BATCH = 4  # images at once


def _cells(side: int, grid: int) -> np.ndarray:
    """Which of `grid + 1` equal cells a row or column lies in; the rest are the last's. `[side]`"""
    return np.minimum(np.arange(side) // (side // (grid + 1)), grid)


@lru_cache(maxsize=64)
def _places(height: int, width: int, grid: int) -> np.ndarray:
    """The number of the cell that each pixel lies in. `[height, width]` int64"""
    return _cells(height, grid)[:, None] * (grid + 1) + _cells(width, grid)


@lru_cache(maxsize=64)
def _averages(side: int, grid: int) -> np.ndarray:
    """What averages over the rows of each cell. `[grid + 1, side]` float32"""
    inside = _cells(side, grid) == np.arange(grid + 1)[:, None]
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)


def _shares(codes: np.ndarray, levels: int, grid: int) -> np.ndarray:
    """Shares of each code in each cell. `[N, h, w]` int -> `[N, grid + 1, grid + 1, levels]`."""
    cells = grid + 1
    first = _places(*codes.shape[1:], grid) * levels
    counts = [np.bincount((first + image).ravel(), minlength=cells**2 * levels) for image in codes]
    table = np.stack(counts).reshape(-1, cells, cells, levels).astype(np.float64)
    return table / table.sum(axis=3, keepdims=True)


def _means(maps: np.ndarray, grid: int) -> np.ndarray:
    """Means in each cell. `[..., h, w]` float32 -> `[..., grid + 1, grid + 1]`."""
    rows, columns = (_averages(side, grid) for side in maps.shape[-2:])
    return np.matmul(np.matmul(rows, maps), columns.T)


def _windows(cells: np.ndarray) -> np.ndarray:
    """Means of 2x2 neighbouring cells. `[N, M, g + 1, g + 1]` -> `[N, g**2, M]`."""
    window = (cells[..., 1:, :] + cells[..., :-1, :]) / 2
    window = (window[..., 1:] + window[..., :-1]) / 2
    return window.reshape(*window.shape[:2], -1).transpose(0, 2, 1)


def _histograms(pixels: np.ndarray, grid: int) -> np.ndarray:
    """Log shares of first and second differences, and of three signs in a row."""
    parts = []
    for axis in (2, 1):
        first = np.diff(pixels, axis=axis)
        for difference in (first, np.diff(first, axis=axis)):
            shares = _shares(np.clip(difference, -LARGEST, LARGEST) + LARGEST, len(FOLD), grid)
            parts.append(shares @ FOLD)
        signs = np.moveaxis(_signs(first), axis, 2)
        triples = signs[..., :-2] * 9 + signs[..., 1:-1] * 3 + signs[..., 2:]
        parts.append(_shares(np.moveaxis(triples, 2, axis), 27, grid))
    shares = np.concatenate(parts, axis=3).transpose(0, 3, 1, 2)
    return np.log(_windows(shares) + RARE)


def _signs(difference: np.ndarray) -> np.ndarray:
    """0, 1 or 2, as int8: falls, hardly changes, rises."""
    rises, falls = difference >= STRONG, difference <= -STRONG
    return rises.view(np.int8) - falls.view(np.int8) + np.int8(1)


def _autocorrelation(pixels: np.ndarray, grid: int) -> np.ndarray:
    """Of the softened mixed second difference, at `LAGS`, and the log of its power."""
    values = pixels.astype(np.float32)
    residual = np.diff(np.diff(np.diff(np.diff(values, axis=1), axis=1), axis=2), axis=2)
    soft = residual / (np.abs(residual) + np.float32(SOFT))
    power = _windows(_means(soft**2, grid)[:, None])
    height, width = soft.shape[1:]
    parts = []
    for down, right in LAGS:
        left, other = max(0, -right), max(0, right)
        here = soft[:, : height - down, left : width - other]
        there = soft[:, down:, other : width - left]
        parts.append(_windows(_means(here * there, grid)[:, None]))
    return np.concatenate([np.concatenate(parts, 2) / (power + 1e-4), np.log(power + 1e-4)], 2)


def _cosines(pixels: np.ndarray, grid: int) -> np.ndarray:
    """Log mean absolute coefficients of 8x8 blocks, without the constant one."""
    count, height, width = pixels.shape
    cells = grid + 1
    sides = [(side // cells - BLOCK + 1) // BLOCK * BLOCK for side in (height, width)]
    places = [
        phased_starts(side, cells, extent=extent)
        for side, extent in zip((height, width), sides, strict=True)
    ]
    cut = [
        pixels[:, y : y + sides[0], x : x + sides[1]].astype(np.float32)
        for y in places[0]
        for x in places[1]
    ]
    along = np.stack(cut, axis=1).reshape(-1, BLOCK) @ COSINES.T  # of each row of a block
    transform = np.matmul(COSINES, along.reshape(-1, BLOCK, sides[1]))
    sizes = np.abs(transform).reshape(count, cells**2, sides[0] // BLOCK, BLOCK, -1, BLOCK)
    maps = sizes.mean(axis=(2, 4)).reshape(count, cells, cells, -1).transpose(0, 3, 1, 2)
    return np.log(_windows(maps[:, 1:]) + FAINT)


@dataclass(frozen=True)
class ResidualStatistics:
    """Statistics of residuals in `grid**2` half-overlapping windows; nothing is learned."""

    grid: int

    smallest: ClassVar[int] = 64  # pixels along each side of an image

    @property
    def views(self) -> int:
        """Windows per image."""
        return self.grid**2

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Features `[N, views * D]` float32 of `[N, H, W]` uint8 images.

        Raises:
            UserError: the images are too small.
        """
        if min(images.shape[1:]) < self.smallest:
            raise UserError(
                f"residual statistics need images of at least {self.smallest}x{self.smallest} "
                f"pixels, got {images.shape[2]}x{images.shape[1]}; leave the smaller ones out"
            )
        parts = []
        for start in range(0, len(images), BATCH):
            pixels = images[start : start + BATCH].astype(np.int16)
            views = [
                family(pixels, self.grid) for family in (_histograms, _autocorrelation, _cosines)
            ]
            parts.append(np.concatenate(views, axis=2).astype(np.float32))
        return np.concatenate(parts).reshape(len(images), -1)

    def save(self, folder: Path) -> None:
        write_json(folder / STATISTICS_FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "ResidualStatistics":
        return cls(**read_json(folder / STATISTICS_FILE, stage="train"))
