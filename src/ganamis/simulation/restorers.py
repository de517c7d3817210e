"""Iterated restoration of noisy images, as diffusion does it, by shrinking known coefficients."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy import ndimage

KINDS = ("wavelet", "cosine", "flow", "median")


@dataclass(frozen=True)
class Restorer:
    """Adds noise and takes it away, several times, less each time.

    kind: what takes it away. rounds: how often. noise: gray levels / 255, at first. strength: of
    the removal, relative to the noise. leftover: share of the removed residue that is put back.
    side: of the cosine transform's blocks, pixels.
    """

    kind: str
    rounds: int
    noise: float
    strength: float
    leftover: float
    side: int

    def draw(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`[N, H, W]` float32 in [0, 1] -> the same shape."""
        for step in range(self.rounds):
            level = self.noise * (1 - step / self.rounds)
            noisy = images + level * random.standard_normal(images.shape, np.float32)
            clean = np.stack([self._remove(image, self.strength * level) for image in noisy])
            images = (clean + self.leftover * (noisy - clean)).astype(np.float32)
        return images

    def _remove(self, image: np.ndarray, level: float) -> np.ndarray:
        if self.kind == "wavelet":
            return _shrink_wavelets(image, level, depth=3)
        if self.kind == "cosine":
            return _shrink_cosines(image, level, side=self.side)
        if self.kind == "flow":
            return _flow(image, level)
        return 0.5 * (image + ndimage.median_filter(image, 3))


def _soft(x: np.ndarray, level: float) -> np.ndarray:
    return np.sign(x) * np.maximum(np.abs(x) - level, 0)


def _shrink_wavelets(image: np.ndarray, level: float, *, depth: int) -> np.ndarray:
    """Soft thresholds on Haar coefficients (Donoho and Johnstone 1994)."""
    if depth == 0 or min(image.shape) < 2:
        return image
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    a, b = image[:height:2, :width:2], image[:height:2, 1:width:2]
    c, d = image[1:height:2, :width:2], image[1:height:2, 1:width:2]
    mean = _shrink_wavelets((a + b + c + d) / 2, level, depth=depth - 1)
    across = _soft((a - b + c - d) / 2, level)
    along = _soft((a + b - c - d) / 2, level)
    both = _soft((a - b - c + d) / 2, level)
    drawn = image.copy()
    drawn[:height:2, :width:2] = (mean + across + along + both) / 2
    drawn[:height:2, 1:width:2] = (mean - across + along - both) / 2
    drawn[1:height:2, :width:2] = (mean + across - along - both) / 2
    drawn[1:height:2, 1:width:2] = (mean - across - along + both) / 2
    return drawn


def _shrink_cosines(image: np.ndarray, level: float, *, side: int) -> np.ndarray:
    """Soft thresholds on the cosine transform of `side` x `side` blocks."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    whole = image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    transform = scipy.fft.dctn(whole, axes=(1, 3), norm="ortho")
    kept = _soft(transform, level)
    kept[:, 0, :, 0] = transform[:, 0, :, 0]
    drawn = image.copy()
    back = scipy.fft.idctn(kept, axes=(1, 3), norm="ortho")
    drawn[: rows * side, : columns * side] = back.reshape(rows * side, columns * side)
    return drawn


def _flow(image: np.ndarray, level: float) -> np.ndarray:
    """Three steps of edge-stopping diffusion (Perona and Malik 1990)."""
    scale = 2 * level + 1e-3
    for _ in range(3):
        change = np.zeros_like(image)
        for axis in (0, 1):
            step = np.diff(image, axis=axis)
            flux = step / (1 + (step / scale) ** 2)
            change += np.diff(flux, axis=axis, prepend=0, append=0)
        image = image + 0.2 * change
    return image


def draw_restorer(random: np.random.Generator) -> Restorer:
    return Restorer(
        kind=str(random.choice(KINDS)),
        rounds=int(random.integers(1, 5)),
        noise=float(random.uniform(0.003, 0.03)),
        strength=float(random.uniform(0.6, 2.5)),
        leftover=float(random.choice((0.0, random.uniform(0, 0.3)))),
        side=int(random.choice((4, 8, 16))),
    )
