"""Mean log power spectra for looking at: where in frequency a generator leaves its trace."""

from collections.abc import Mapping

import numpy as np
from scipy import fft

BINS = 64
BATCH = 64  # images transformed at once


def log_power_spectra(images: np.ndarray, *, bins: int = BINS) -> np.ndarray:
    """Log power of each image, averaged into `bins` x `bins` cells, zero frequency in the centre.

    Args:
        images: `[N, H, W]` uint8, height and width at least `bins`.

    Returns:
        `[N, bins, bins]` float32, natural logarithm of squared gray levels.
    """
    _, height, width = images.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    centred = images - images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    power = np.abs(fft.fft2(centred * window)) ** 2
    shifted = np.log(fft.fftshift(power, axes=(1, 2)) + 1)
    rows, columns = (np.arange(bins) * side // bins for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(shifted, rows, axis=1), columns, axis=2)
    sizes = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    return (sums / sizes).astype(np.float32)


def mean_spectra(images: np.ndarray, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Mean log power spectrum `[BINS, BINS]` float32 of each group.

    Args:
        images: `[N, H, W]` uint8. groups: `[N]` str, their names.
    """
    means = {}
    for name in np.unique(groups).tolist():
        rows = np.flatnonzero(groups == name)
        parts = (images[rows[start : start + BATCH]] for start in range(0, len(rows), BATCH))
        total = sum(log_power_spectra(part).sum(axis=0, dtype=np.float64) for part in parts)
        means[str(name)] = np.asarray(total / len(rows), dtype=np.float32)
    return means


def less_mean(spectra: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What sets each spectrum `[H, W]` apart from the mean of all of them.

    The same as from linear high-pass residuals: the filter multiplies every power alike, and
    leaves with the mean.
    """
    overall = np.mean(list(spectra.values()), axis=0)
    return {name: spectrum - overall for name, spectrum in spectra.items()}


def less_directions(spectra: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What stands out of each square spectrum `[B, B]`, less its own mean over all directions.

    Content has power in all directions; what an upsampler repeats lies in few places.
    """
    return {name: spectrum - _over_directions(spectrum) for name, spectrum in spectra.items()}


def _over_directions(spectrum: np.ndarray) -> np.ndarray:
    """The mean of all cells at about the same distance from the centre."""
    rows, columns = np.indices(spectrum.shape) - len(spectrum) // 2
    ring = np.rint(np.hypot(rows, columns)).astype(int)
    means = np.bincount(ring.ravel(), spectrum.ravel()) / np.bincount(ring.ravel())
    return means[ring]
