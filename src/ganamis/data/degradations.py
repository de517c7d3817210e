"""Post-processing an image may meet on its way: what a fingerprint has to survive.

Each degradation is a pure function of the pixels: its noise is seeded by the image itself, so
neither the order of the images nor their batch changes the result. Those in `TAUGHT` may teach a
model what to ignore; those in `UNTAUGHT` are for measuring alone, and nothing may learn from them.
"""

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from scipy.ndimage import gaussian_filter

Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
CLEAN, MIX = "clean", "mix"
BILINEAR, BICUBIC, LANCZOS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def _to_uint8(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _clean(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return image


def _coded(
    image: np.ndarray, _: np.random.Generator, *, kind: str, **options: object
) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return np.asarray(Image.open(buffer).convert("L"))


def _jpeg(image: np.ndarray, random: np.random.Generator, *, quality: int) -> np.ndarray:
    return _coded(image, random, kind="JPEG", quality=quality)


def _resize(
    image: np.ndarray,
    _: np.random.Generator,
    *,
    scale: float,
    filter: Image.Resampling = BICUBIC,
) -> np.ndarray:
    height, width = image.shape
    other = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(other, filter).resize((width, height), filter))


def _noise(image: np.ndarray, random: np.random.Generator, *, sigma: float) -> np.ndarray:
    return _to_uint8(image + random.normal(0.0, sigma, image.shape))


def _blur(image: np.ndarray, _: np.random.Generator, *, sigma: float) -> np.ndarray:
    return _to_uint8(gaussian_filter(image.astype(np.float32), sigma))


def _gamma(image: np.ndarray, _: np.random.Generator, *, exponent: float) -> np.ndarray:
    return _to_uint8(255.0 * (image / 255.0) ** exponent)


def _filtered(
    image: np.ndarray, _: np.random.Generator, *, filter: ImageFilter.Filter
) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(filter))


def _equalised(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.asarray(ImageOps.equalize(Image.fromarray(image)))


def _linear(
    image: np.ndarray, _: np.random.Generator, *, lowest: float, highest: float
) -> np.ndarray:
    """Gray levels `lowest` to `highest` become 0 to 255."""
    return _to_uint8((image - np.float64(lowest)) * 255 / (highest - lowest))


def _levels(image: np.ndarray, _: np.random.Generator, *, bits: int) -> np.ndarray:
    most = 2**bits - 1
    return _to_uint8(np.rint(image / 255 * most) * 255 / most)


def _turned(image: np.ndarray, _: np.random.Generator, *, degrees: float) -> np.ndarray:
    """Turned about the centre, bilinear; what comes in from outside is black."""
    return np.asarray(Image.fromarray(image).rotate(degrees, BILINEAR))


def _moved(
    image: np.ndarray, _: np.random.Generator, *, turns: int, axis: int | None
) -> np.ndarray:
    """Turned by right angles, then mirrored along an axis: no gray level changes."""
    moved = np.rot90(image, turns)
    return moved if axis is None else np.flip(moved, axis)


def _shifted(image: np.ndarray, _: np.random.Generator, *, down: int, right: int) -> np.ndarray:
    """Shifted, the edge repeated where nothing comes in."""
    padded = np.pad(image, ((down, 0), (right, 0)), mode="edge")
    return padded[: image.shape[0], : image.shape[1]]


def _cropped(image: np.ndarray, _: np.random.Generator, *, share: float) -> np.ndarray:
    """The middle, resized to the whole (bilinear)."""
    height, width = image.shape
    inner_height, inner_width = round(height * share), round(width * share)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    inner = Image.fromarray(image[top : top + inner_height, left : left + inner_width])
    return np.asarray(inner.resize((width, height), BILINEAR))


def _both(
    image: np.ndarray, random: np.random.Generator, *, first: Degradation, second: Degradation
) -> np.ndarray:
    return second(first(image, random), random)


# JPEG by Pillow's quality; resized by a factor (bicubic) and back; noise and blur in gray levels
# and pixels of standard deviation; gamma on gray levels scaled to [0, 1].
TAUGHT: MappingProxyType[str, Degradation] = MappingProxyType(
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
UNTAUGHT: MappingProxyType[str, Degradation] = MappingProxyType(
    {
        "jpeg85": partial(_jpeg, quality=85),
        "jpeg60": partial(_jpeg, quality=60),
        "jpeg40": partial(_jpeg, quality=40),
        "webp80": partial(_coded, kind="WEBP", quality=80),
        "jpeg2000_10": partial(
            _coded, kind="JPEG2000", quality_mode="rates", quality_layers=[10], irreversible=True
        ),
        "noise2": partial(_noise, sigma=2.0),
        "noise5": partial(_noise, sigma=5.0),
        "median3": partial(_filtered, filter=ImageFilter.MedianFilter(3)),
        "unsharp": partial(_filtered, filter=ImageFilter.UnsharpMask(2, 100, 0)),
        "blur10": partial(_blur, sigma=1.0),
        "resize50_bilinear": partial(_resize, scale=0.5, filter=BILINEAR),
        "resize80_bilinear": partial(_resize, scale=0.8, filter=BILINEAR),
        "resize125_bilinear": partial(_resize, scale=1.25, filter=BILINEAR),
        "resize50_lanczos": partial(_resize, scale=0.5, filter=LANCZOS),
        "resize80_lanczos": partial(_resize, scale=0.8, filter=LANCZOS),
        "resize125_lanczos": partial(_resize, scale=1.25, filter=LANCZOS),
        "gamma07": partial(_gamma, exponent=0.7),
        "equalised": _equalised,
        "window": partial(_linear, lowest=20, highest=200),
        "contrast70": partial(_linear, lowest=127.5 - 127.5 / 0.7, highest=127.5 + 127.5 / 0.7),
        "inverted": partial(_linear, lowest=255, highest=0),
        "bits6": partial(_levels, bits=6),
        "turned90": partial(_moved, turns=1, axis=None),
        "turned2": partial(_turned, degrees=2.0),
        "mirrored": partial(_moved, turns=0, axis=1),
        "upside_down": partial(_moved, turns=0, axis=0),
        "shifted": partial(_shifted, down=5, right=11),
        "cropped80": partial(_cropped, share=0.8),
        "resize75_jpeg85": partial(
            _both, first=partial(_resize, scale=0.75), second=partial(_jpeg, quality=85)
        ),
        "jpeg75_jpeg90": partial(
            _both, first=partial(_jpeg, quality=75), second=partial(_jpeg, quality=90)
        ),
    }
)
NAMES = (*TAUGHT, MIX)
ALL = MappingProxyType({**TAUGHT, **UNTAUGHT})


def _random_of(image: np.ndarray, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def degrade(images: np.ndarray, name: str, *, seed: int) -> np.ndarray:
    """Degrade every image in the same named way; `mix` draws a taught one for each image.

    Args:
        images: `[N, H, W]` uint8, not modified.
        name: one of `NAMES` or of `UNTAUGHT`.

    Returns:
        `[N, H, W]` uint8; `[N, W, H]` of images turned by a right angle.

    Raises:
        KeyError: the name is unknown.
    """
    if name not in (*ALL, MIX):
        raise KeyError(
            f"degradation '{name}' is unknown; choose one of {', '.join((*NAMES, *UNTAUGHT))}"
        )
    others = [other for other in TAUGHT if other != CLEAN]

    def degraded(image: np.ndarray) -> np.ndarray:
        random = _random_of(image, seed)
        chosen = others[random.integers(len(others))] if name == MIX else name
        return ALL[chosen](image, random)

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(degraded, images))
    return np.stack(done) if done else images.copy()
