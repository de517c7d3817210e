"""Post-processing as a family, of any strength: what a taught fingerprint has to survive.

`data.degradations` holds the named points that are reported; these are drawn between and beyond.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

REACH = 15  # pixels of the largest shift
Process = Callable[[np.ndarray, np.random.Generator], np.ndarray]
KERNELS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)


def _whole(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _coded(image: np.ndarray, form: str, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, quality=quality)
    return np.asarray(Image.open(buffer).convert("L"))


def _jpeg(random: np.random.Generator) -> Process:
    quality = int(random.integers(40, 101))
    return lambda image, _: _coded(image, "JPEG", quality)


def _webp(random: np.random.Generator) -> Process:
    quality = int(random.integers(50, 101))
    return lambda image, _: _coded(image, "WEBP", quality)


def _resize(random: np.random.Generator) -> Process:
    scale = float(np.exp(random.uniform(np.log(0.5), np.log(1.5))))
    down, up = (KERNELS[i] for i in random.integers(len(KERNELS), size=2))

    def process(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
        height, width = image.shape
        other = (max(8, round(width * scale)), max(8, round(height * scale)))
        return np.asarray(Image.fromarray(image).resize(other, down).resize((width, height), up))

    return process


def _noise(random: np.random.Generator) -> Process:
    sigma = float(np.exp(random.uniform(np.log(0.4), np.log(5.0))))
    return lambda image, own: _whole(image + sigma * own.standard_normal(image.shape, np.float32))


def _blur(random: np.random.Generator) -> Process:
    sigma = float(random.uniform(0.3, 1.2))
    return lambda image, _: _whole(ndimage.gaussian_filter(image.astype(np.float32), sigma))


def _tone(random: np.random.Generator) -> Process:
    exponent = float(np.exp(random.uniform(-0.4, 0.4)))
    low, high = random.uniform(-30, 30), random.uniform(215, 290)
    levels = (low + (high - low) * np.linspace(0, 1, 256) ** exponent)[
        :: random.choice((1, 1, 1, -1))
    ]
    return lambda image, _: _whole(levels[image])


def _coarse(random: np.random.Generator) -> Process:
    step = int(random.choice((2, 4)))
    return lambda image, _: (image // step * step).astype(np.uint8)


def _median(random: np.random.Generator) -> Process:
    return lambda image, _: np.asarray(Image.fromarray(image).filter(ImageFilter.MedianFilter(3)))


def _sharpened(random: np.random.Generator) -> Process:
    radius, percent = float(random.uniform(0.5, 2.0)), int(random.integers(30, 150))
    mask = ImageFilter.UnsharpMask(radius, percent, 0)
    return lambda image, _: np.asarray(Image.fromarray(image).filter(mask))


SHARES = {
    _jpeg: 0.3, _webp: 0.07, _resize: 0.17, _noise: 0.15, _blur: 0.08,
    _tone: 0.1, _coarse: 0.03, _median: 0.04, _sharpened: 0.06,
}  # fmt: skip


def draw_process(random: np.random.Generator) -> Process:
    """Draw a kind of post-processing and its strength; one in six is two of them in a row.

    Returns:
        A function of an image `[H, W]` uint8 and a source of its own noise.
    """
    kinds, shares = list(SHARES), np.array(list(SHARES.values()))
    count = 2 if random.random() < 1 / 6 else 1
    parts = [kinds[i](random) for i in random.choice(len(kinds), count, p=shares / shares.sum())]

    def process(image: np.ndarray, own: np.random.Generator) -> np.ndarray:
        for part in parts:
            image = part(image, own)
        return image

    return process


def unprocessed(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """No post-processing."""
    return image


def shifted(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Shifted by up to `REACH` pixels each way, mirrored where nothing comes in."""
    height, width = image.shape
    down, right = random.integers(2 * REACH + 1, size=2)
    padded = np.pad(image, REACH, mode="symmetric")
    return padded[down : down + height, right : right + width]
