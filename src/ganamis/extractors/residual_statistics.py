"""What a power spectrum cannot see: how residuals are distributed and follow one another.

Windows of an image are described by histograms of its differences, co-occurrences of their signs
(after Fridrich and Kodovsky 2012), the autocorrelation of softened residuals, and the spread of
the 63 coefficients of 8x8 cosine transforms (after Giudice et al. 2021, with a logarithm).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.fft

from ganamis.errors import UserError
from ganamis.files import read_json, write_json

STATISTICS_FILE = "statistics.json"
EDGES = np.array([0.5, 1.5, 2.5, 4.5, 8.5, 16.5])  # gray levels of an absolute difference
LEVELS = np.searchsorted(EDGES, np.arange(4 * 255 + 1))  # by absolute difference
STRONG = 2  # gray levels from which a difference has a sign
SOFT = 4.0  # gray levels: a residual r counts as r / (|r| + 4) in autocorrelations
LAGS = (
    *((0, n) for n in (1, 2, 3, 4, 6, 8)),
    *((n, 0) for n in (1, 2, 3, 4, 6, 8)),
    *((n, n) for n in (1, 2, 4)),
    *((n, -n) for n in (1, 2, 4)),
)  # rows, columns
BLOCK = 8  # pixels of a cosine transform
RARE = 1e-3  # added to shares before their logarithm
FAINT = 0.02  # gray levels, added to spreads before their logarithm
BATCH = 4  # images at once


def _cells(side: int, grid: int) -> np.ndarray:
    """Which of `grid + 1` equal cells a row or column lies in; the rest are the last's. `[side]`"""
    return np.minimum(np.arange(side) // (side // (grid + 1)), grid)


def _shares(codes: np.ndarray, levels: int, grid: int) -> np.ndarray:
    """Shares of each code in each cell. `[N, h, w]` int -> `[N, levels, grid + 1, grid + 1]`."""
    count, height, width = codes.shape
    cells = grid + 1
    place = _cells(height, grid)[:, None] * cells + _cells(width, grid)
    place = (np.arange(count)[:, None, None] * cells**2 + place) * levels
    counts = np.bincount((place + codes).ravel(), minlength=count * cells**2 * levels)
    table = counts.reshape(count, cells, cells, levels).astype(np.float64)
    return (table / table.sum(axis=3, keepdims=True)).transpose(0, 3, 1, 2)


def _means(maps: np.ndarray, grid: int) -> np.ndarray:
    """Means in each cell. `[..., h, w]` -> `[..., grid + 1, grid + 1]`."""
    rows, columns = (_cells(side, grid) for side in maps.shape[-2:])
    starts = [np.searchsorted(index, np.arange(grid + 1)) for index in (rows, columns)]
    sums = np.add.reduceat(np.add.reduceat(maps, starts[0], axis=-2), starts[1], axis=-1)
    return sums / np.outer(np.bincount(rows), np.bincount(columns))


def _windows(cells: np.ndarray) -> np.ndarray:
    """Means of 2x2 neighbouring cells. `[N, M, g + 1, g + 1]` -> `[N, g**2, M]`."""
    window = (cells[..., 1:, :] + cells[..., :-1, :]) / 2
    window = (window[..., 1:] + window[..., :-1]) / 2
    return window.reshape(*window.shape[:2], -1).transpose(0, 2, 1)


def _signs(difference: np.ndarray) -> np.ndarray:
    """0, 1 or 2: falls, hardly changes, rises."""
    return (difference >= STRONG).astype(np.int64) - (difference <= -STRONG) + 1


def _histograms(pixels: np.ndarray, grid: int) -> np.ndarray:
    """Log shares of first and second differences, and of three signs in a row."""
    parts = []
    for axis in (2, 1):
        first = np.diff(pixels, axis=axis)
        second = np.diff(first, axis=axis)
        for difference in (first, second):
            levels = LEVELS[np.abs(difference)]
            parts.append(_shares(levels, len(EDGES) + 1, grid))
        signs = np.moveaxis(_signs(first), axis, 2)
        triples = signs[..., :-2] * 9 + signs[..., 1:-1] * 3 + signs[..., 2:]
        parts.append(_shares(np.moveaxis(triples, 2, axis), 27, grid))
    return np.log(_windows(np.concatenate(parts, axis=1)) + RARE)


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
    rows, columns = height // BLOCK, width // BLOCK
    whole = pixels[:, : rows * BLOCK, : columns * BLOCK].astype(np.float32)
    blocks = whole.reshape(count, rows, BLOCK, columns, BLOCK)
    transform = np.abs(scipy.fft.dctn(blocks, axes=(2, 4), norm="ortho"))
    maps = transform.transpose(0, 2, 4, 1, 3).reshape(count, BLOCK**2, rows, columns)[:, 1:]
    return np.log(_windows(_means(maps, grid)) + FAINT)


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
