"""Generators that enlarge in the frequency domain; kept out of every training world."""

from dataclasses import dataclass

import numpy as np
import scipy.fft


@dataclass(frozen=True)
class SpectralEnlarger:
    """Zeros between the pixels, then gains on the copies of the spectrum that this makes.

    roll: order of the low pass. cut: its frequency, relative to the small image's highest.
    ripple: `[B]` gains of bands of frequency. leak: of the copies, per axis.
    """

    roll: float
    cut: float
    ripple: np.ndarray
    leak: tuple[float, float]

    def draw(self, small: np.ndarray, scale: int) -> np.ndarray:
        """`[N, h, w]` float32 -> `[N, s*h, s*w]`."""
        count, height, width = small.shape
        sparse = np.zeros((count, height * scale, width * scale), np.float32)
        sparse[:, ::scale, ::scale] = small * scale**2
        fy = np.abs(scipy.fft.fftfreq(sparse.shape[1]))[:, None] * 2 * scale / self.cut
        fx = np.abs(scipy.fft.rfftfreq(sparse.shape[2]))[None, :] * 2 * scale / self.cut
        pass_y, pass_x = 1 / (1 + fy**self.roll), 1 / (1 + fx**self.roll)
        gain = pass_y * pass_x + self.leak[0] * (1 - pass_y) * pass_x
        gain += self.leak[1] * pass_y * (1 - pass_x)
        band = np.minimum(np.hypot(fy, fx) * len(self.ripple) / (1.5 * scale), len(self.ripple) - 1)
        gain = gain * (1 + self.ripple[band.astype(int)] * (np.hypot(fy, fx) > 0.3))
        transform = scipy.fft.rfft2(sparse) * gain
        return scipy.fft.irfft2(transform, sparse.shape[1:]).astype(np.float32)


def draw_spectral(random: np.random.Generator) -> SpectralEnlarger:
    return SpectralEnlarger(
        roll=float(random.uniform(3, 12)),
        cut=float(random.uniform(0.8, 1.2)),
        ripple=random.normal(0, random.uniform(0.02, 0.25), 12).astype(np.float32),
        leak=(float(abs(random.normal(0, 0.02))), float(abs(random.normal(0, 0.02)))),
    )
