"""What a generator does to its drawing at the end: filters, grain, tone, and whole gray levels."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Finish:
    """The last steps, in gray levels of 0 to 255.

    sharpen, sharpen_px: unsharp mask. blur_px: Gaussian, per axis. grain: deviation of noise
    passed through `kernel` `[5, 5]`. follows: how much the grain follows the signal. black, white:
    ends of the gray scale. gamma: exponent of the tone. rounding: `nearest`, `down` or `dither`.
    """

    sharpen: float
    sharpen_px: float
    blur_px: tuple[float, float]
    grain: float
    kernel: np.ndarray
    follows: float
    black: float
    white: float
    gamma: float
    rounding: str

    def draw(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`[N, H, W]` float32 in [0, 1] -> uint8."""
        return np.stack([self._draw(image, random) for image in images])

    def _draw(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        pixels = np.clip(image, -0.1, 1.1).astype(np.float32)
        if self.sharpen:
            pixels += self.sharpen * (pixels - ndimage.gaussian_filter(pixels, self.sharpen_px))
        if max(self.blur_px) > 0:
            pixels = ndimage.gaussian_filter(pixels, self.blur_px)
        if self.gamma != 1:
            pixels = np.sign(pixels) * np.abs(pixels) ** self.gamma
        gray = self.black + pixels * (self.white - self.black)
        if self.grain:
            noise = ndimage.convolve(random.standard_normal(image.shape, np.float32), self.kernel)
            gray += self.grain * noise * (1 - self.follows + self.follows * 2 * np.abs(pixels))
        if self.rounding == "dither":
            gray += random.uniform(-0.5, 0.5, gray.shape)
        whole = np.floor(gray) if self.rounding == "down" else np.rint(gray)
        return np.clip(whole, 0, 255).astype(np.uint8)


PLAIN = Finish(
    sharpen=0.0,
    sharpen_px=1.0,
    blur_px=(0.0, 0.0),
    grain=0.0,
    kernel=np.zeros((5, 5), np.float32),
    follows=0.0,
    black=0.0,
    white=255.0,
    gamma=1.0,
    rounding="nearest",
)


def _kernel(random: np.random.Generator) -> np.ndarray:
    kernel = random.standard_normal((5, 5)) * np.exp(
        -random.uniform(0.1, 1.5) * np.hypot(*np.mgrid[-2:3, -2:3])
    )
    return (kernel / np.linalg.norm(kernel)).astype(np.float32)


def _sometimes(random: np.random.Generator, share: float, low: float, high: float) -> float:
    return float(random.uniform(low, high)) if random.random() < share else 0.0


def draw_finish(random: np.random.Generator) -> Finish:
    """A random finish; half of them only round, as most networks do."""
    if random.random() < 0.5:
        return PLAIN
    blur = _sometimes(random, 0.3, 0.2, 0.7)
    return Finish(
        sharpen=_sometimes(random, 0.3, 0.1, 0.9),
        sharpen_px=float(random.uniform(0.6, 2.0)),
        blur_px=(blur, blur * float(random.choice((1.0, 1.0, 0.5)))),
        grain=_sometimes(random, 0.4, 0.1, 1.5),
        kernel=_kernel(random),
        follows=float(random.choice((0.0, 0.9))),
        black=_sometimes(random, 0.25, -3.0, 5.0),
        white=255.0 - _sometimes(random, 0.15, 0.0, 12.0),
        gamma=float(np.exp(random.normal(0, 0.05))) if random.random() < 0.2 else 1.0,
        rounding=str(random.choice(("nearest", "down", "dither"), p=(0.8, 0.12, 0.08))),
    )
