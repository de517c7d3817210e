"""Log power spectra for pictures: where in frequency a generator leaves its trace."""

import numpy as np
from scipy import fft

BINS = 64


def log_power_spectra(images: np.ndarray, *, bins: int = BINS) -> np.ndarray:
    """Log power of each image, averaged into `bins` x `bins` cells, zero frequency in the centre.

    Args:
        images: `[N, H, W]` uint8, height and width at least `bins`.

    Returns:
        `[N, bins, bins]` float32, natural logarithm of squared gray levels.
    """
    count, height, width = images.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    centred = images - images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    power = np.abs(fft.fft2(centred * window)) ** 2
    shifted = np.log(fft.fftshift(power, axes=(1, 2)) + 1)
    rows, columns = height // bins, width // bins
    cut = shifted[:, : rows * bins, : columns * bins]
    cells = cut.reshape(count, bins, rows, bins, columns)
    return cells.mean(axis=(2, 4), dtype=np.float32)
