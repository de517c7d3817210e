"""Decoding one PNG: conversion by value, identity, and damage that never goes unseen."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganamis.data.images import ImageError, decode_gray, pixel_digest
from tests.builders import (
    SIZE,
    encode,
    noise,
    palette_image,
    raw_png,
)

GRAY = noise(0)
RGB = np.repeat(GRAY[..., None], 3, axis=2)

GOOD: dict[str, tuple[Callable[[], bytes], str]] = {
    "gray": (lambda: encode(GRAY), "L"),
    "uncompressed": (lambda: encode(GRAY, compress_level=0), "L"),
    "shuffled palette": (lambda: encode(palette_image(GRAY, seed=1)), "P"),
    "another palette": (lambda: encode(palette_image(GRAY, seed=2)), "P"),
    "gray RGB": (lambda: encode(RGB), "RGB"),
    "opaque RGBA": (lambda: encode(Image.fromarray(RGB).convert("RGBA")), "RGBA"),
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
        assert str(error) == "is truncated or damaged; copy the file again"
    assert time.perf_counter() - start < 2
