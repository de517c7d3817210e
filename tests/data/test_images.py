"""Decoding one PNG: what is refused and with which words, and what is converted by value."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganamis.data.images import ImageError, decode_gray, pixel_digest, read_gray
from tests.builders import (
    SIGNATURE,
    SIZE,
    chunk,
    encode,
    noise,
    palette_image,
    raw_png,
)

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


def rgb(*, tinted: bool = False) -> np.ndarray:
    pixels = np.repeat(GRAY[..., None], 3, axis=2)
    pixels[5, 7, 2] ^= tinted  # one pixel, one gray level off
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
    "coloured RGB": (lambda: encode(rgb(tinted=True)), coloured("RGB")),
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


GOOD: dict[str, tuple[Callable[[], bytes], str]] = {
    "gray": (lambda: encode(GRAY), "L"),
    "uncompressed": (lambda: encode(GRAY, compress_level=0), "L"),
    "shuffled palette": (lambda: encode(palette_image(GRAY, seed=1)), "P"),
    "another palette": (lambda: encode(palette_image(GRAY, seed=2)), "P"),
    "gray RGB": (lambda: encode(rgb()), "RGB"),
    "opaque RGBA": (lambda: encode(Image.fromarray(rgb()).convert("RGBA")), "RGBA"),
    "opaque gray and alpha": (lambda: encode(Image.fromarray(GRAY).convert("LA")), "LA"),
}


@pytest.mark.parametrize(("build", "mode"), GOOD.values(), ids=GOOD.keys())
def test_values_are_kept_and_the_identity_is_that_of_the_pixels(
    build: Callable[[], bytes], mode: str
) -> None:
    pixels, found = decode_gray(build(), size=SIZE)
    assert found == mode
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, GRAY)
    assert pixel_digest(pixels) == pixel_digest(GRAY)


def test_palette_of_few_entries_is_read_by_value() -> None:
    image = Image.fromarray((GRAY > 127).astype(np.uint8), mode="P")
    image.putpalette([200] * 3 + [10] * 3)
    pixels, mode = decode_gray(encode(image, bits=1), size=SIZE)
    assert mode == "P"
    np.testing.assert_array_equal(pixels, np.where(GRAY > 127, 10, 200))


def test_identity_tells_shape_and_every_gray_level() -> None:
    one_off = GRAY.copy()
    one_off[0, 0] ^= 1
    digests = {pixel_digest(x) for x in (GRAY, one_off, GRAY.T, GRAY.reshape(16, 64))}
    assert len(digests) == 4
    assert pixel_digest(np.asfortranarray(GRAY)) == pixel_digest(GRAY)


@settings(deadline=None, max_examples=150)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_one_changed_byte_never_passes_as_other_pixels(place: float, change: int) -> None:
    for level in (0, 6):
        content = bytearray(encode(GRAY, compress_level=level))
        content[int(place * len(content))] ^= change
        try:
            pixels, _ = decode_gray(bytes(content), size=SIZE)
        except ImageError:
            continue
        np.testing.assert_array_equal(pixels, GRAY)


@settings(deadline=None, max_examples=60)
@given(length=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_never_passes_as_other_pixels(length: float) -> None:
    content = encode(GRAY)
    try:
        pixels, _ = decode_gray(content[: int(length * len(content))], size=SIZE)
    except ImageError:
        return
    np.testing.assert_array_equal(pixels, GRAY)


def test_pixels_after_the_last_row_are_not_inflated() -> None:
    scanlines = b"".join(b"\0" + row.tobytes() for row in GRAY)
    bomb = raw_png(32, 32, depth=8, colour=0, scanlines=scanlines + bytes(50_000_000))
    start = time.perf_counter()
    try:
        decode_gray(bomb, size=SIZE)
    except ImageError as error:
        assert str(error) == DAMAGED
    assert time.perf_counter() - start < 2
