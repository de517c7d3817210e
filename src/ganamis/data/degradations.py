"""Post-processing an image may meet on its way: what a fingerprint has to survive.

Each degradation is a pure function of the pixels: its noise is seeded by the image itself, so
neither the order of the images nor their batch changes the result.
"""

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from ganamis.contracts import CLEAN

Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
MIX = "mix"


def _to_uint8(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _clean(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return image


def _jpeg(image: np.ndarray, _: np.random.Generator, *, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _resize(image: np.ndarray, _: np.random.Generator, *, scale: float) -> np.ndarray:
    height, width = image.shape
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    bicubic = Image.Resampling.BICUBIC
    return np.asarray(
        Image.fromarray(image).resize(small, bicubic).resize((width, height), bicubic)
    )


def _noise(image: np.ndarray, random: np.random.Generator, *, sigma: float) -> np.ndarray:
    return _to_uint8(image + random.normal(0.0, sigma, image.shape))


def _blur(image: np.ndarray, _: np.random.Generator, *, sigma: float) -> np.ndarray:
    return _to_uint8(gaussian_filter(image.astype(np.float32), sigma))


def _gamma(image: np.ndarray, _: np.random.Generator, *, exponent: float) -> np.ndarray:
    return _to_uint8(255.0 * (image / 255.0) ** exponent)


# JPEG by Pillow's quality; resized by a factor (bicubic) and back; noise and blur in gray levels
# and pixels of standard deviation; gamma on gray levels scaled to [0, 1].
DEGRADATIONS: MappingProxyType[str, Degradation] = MappingProxyType(
    {
        CLEAN: _clean,
        "jpeg95": partial(_jpeg, quality=95),
        "jpeg90": partial(_jpeg, quality=90),
        "jpeg75": partial(_jpeg, quality=75),
        "resize90": partial(_resize, scale=0.9),
        "resize75": partial(_resize, scale=0.75),
        "noise1": partial(_noise, sigma=1.0),
        "noise3": partial(_noise, sigma=3.0),
        "blur07": partial(_blur, sigma=0.7),
        "gamma13": partial(_gamma, exponent=1.3),
    }
)
NAMES = (*DEGRADATIONS, MIX)


def _random_of(image: np.ndarray, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def degrade(images: np.ndarray, name: str, *, seed: int) -> np.ndarray:
    """Degrade every image in the same named way; `mix` draws another one for each image.

    Args:
        images: `[N, H, W]` uint8, not modified.
        name: one of `NAMES`.

    Returns:
        `[N, H, W]` uint8.

    Raises:
        KeyError: the name is unknown.
    """
    if name not in NAMES:
        raise KeyError(f"degradation '{name}' is unknown; choose one of {', '.join(NAMES)}")
    degraded = np.empty_like(images)
    others = [other for other in DEGRADATIONS if other != CLEAN]

    def fill(index: int) -> None:
        random = _random_of(images[index], seed)
        chosen = others[random.integers(len(others))] if name == MIX else name
        degraded[index] = DEGRADATIONS[chosen](images[index], random)

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, range(len(images))))
    return degraded
