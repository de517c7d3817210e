"""Every image file that is refused, with the words it is refused in."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganamis.data.images import ImageError, decode_gray, read_gray
from tests.builders import SIGNATURE, SIZE, chunk, encode, noise, palette_image, raw_png

GRAY = noise(0)
NOT_PNG = "is not a PNG; convert it without loss, from the original pixels"
DAMAGED = "is truncated or damaged; copy the file again"
TRANSPARENT = "has transparent pixels; flatten it onto the intended background"


def wrong_size(size: str) -> str:
    return (
        f"expected 32x32 pixels, got {size}; set data.size, and do not resize: "
        "resizing destroys the fingerprint"
    )


def depth(bits: int) -> str:
    return f"expected 8 bits per channel, got {bits}; export it as 8-bit gray"


def coloured(mode: str) -> str:
    return f"mode {mode} holds colours that are not gray; export it as 8-bit gray"


def corrupted() -> bytes:
    """One changed pixel byte inside uncompressed IDAT data."""
    good = bytearray(encode(GRAY, compress_level=0))
    good[len(good) // 2] ^= 0xFF
    return bytes(good)


def coloured_palette() -> Image.Image:
    image = palette_image(GRAY, seed=1)
    image.putpalette(np.random.default_rng(2).integers(0, 256, 768, dtype=np.uint8).tobytes())
    return image


def tinted() -> np.ndarray:
    """Gray but for one gray level in one pixel."""
    pixels = np.repeat(GRAY[..., None], 3, axis=2)
    pixels[5, 7, 2] ^= 1
    return pixels


def animated() -> bytes:
    frames = [Image.fromarray(noise(seed)) for seed in range(3)]
    return encode(frames[0], save_all=True, append_images=frames[1:])


def sixteen_bit_rgb() -> bytes:
    return raw_png(32, 32, depth=16, colour=2, scanlines=bytes(32 * (1 + 32 * 6)))


def late_header() -> bytes:
    """A chunk before IHDR, with an 8 where the bit depth is looked up."""
    content = sixteen_bit_rgb()
    return SIGNATURE + chunk(b"tEXt", b"\x08" * 20) + content[len(SIGNATURE) :]


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "is empty; copy the file again"),
    "text": (lambda: b"not an image at all", NOT_PNG),
    "JPEG": (lambda: encode(GRAY, kind="JPEG"), NOT_PNG),
    "BMP": (lambda: encode(GRAY, kind="BMP"), NOT_PNG),
    "signature alone": (lambda: SIGNATURE, DAMAGED),
    "truncated": (lambda: encode(GRAY)[:500], DAMAGED),
    "corrupted IDAT": (corrupted, DAMAGED),
    "no IDAT": (lambda: encode(GRAY)[:33] + chunk(b"IEND", b""), DAMAGED),
    "damaged header": (lambda: encode(GRAY).replace(b"IHDR", b"IHDS"), DAMAGED),
    "too large": (lambda: encode(noise(0, size=33)), wrong_size("33x33")),
    "not square": (lambda: encode(noise(0)[:, :16]), wrong_size("16x32")),
    "16-bit gray": (lambda: encode(GRAY.astype(np.uint16) * 257), depth(16)),
    "16-bit RGB": (sixteen_bit_rgb, depth(16)),
    "16-bit RGB, its header late": (
        late_header,
        "is not a valid PNG, its header comes late; export it again",
    ),
    "1-bit": (lambda: encode(Image.fromarray(GRAY).convert("1")), depth(1)),
    "2-bit gray": (
        lambda: raw_png(32, 32, depth=2, colour=0, scanlines=bytes(32 * (1 + 8))),
        depth(2),
    ),
    "animated": (animated, "has 3 frames; export one frame per file"),
    "coloured RGB": (lambda: encode(tinted()), coloured("RGB")),
    "coloured palette": (lambda: encode(coloured_palette()), coloured("P")),
    "transparent gray": (
        lambda: encode(np.stack([GRAY, np.full_like(GRAY, 254)], axis=2)),
        TRANSPARENT,
    ),
    "transparent gray level": (
        lambda: encode(GRAY, transparency=int(GRAY[0, 0])),
        TRANSPARENT,
    ),
    "transparent palette entry": (
        lambda: encode(palette_image(GRAY, seed=1), transparency=3),
        TRANSPARENT,
    ),
    "decompression bomb": (
        lambda: raw_png(30000, 30000, depth=8, colour=0, scanlines=b"\0"),
        wrong_size("30000x30000"),
    ),
    "smaller bomb": (
        lambda: raw_png(12000, 12000, depth=8, colour=0, scanlines=b"\0"),
        wrong_size("12000x12000"),
    ),
}


@pytest.mark.parametrize(("build", "message"), BAD.values(), ids=BAD.keys())
def test_bad_file_is_refused_with_rule_value_and_remedy(
    build: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(ImageError) as refusal:
        decode_gray(build(), size=SIZE)
    assert str(refusal.value) == message


def test_bomb_is_refused_at_once_and_unopened() -> None:
    bomb = raw_png(60000, 60000, depth=8, colour=2, scanlines=b"\0")
    images = Image.core.get_stats()["new_count"]
    start = time.perf_counter()
    with pytest.raises(ImageError, match="got 60000x60000"):
        decode_gray(bomb, size=SIZE)
    assert time.perf_counter() - start < 0.5
    assert Image.core.get_stats()["new_count"] == images


def test_directory_in_place_of_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as refusal:
        read_gray(tmp_path, size=SIZE)
    assert str(refusal.value) == "cannot be read (Is a directory); check the file's rights"
