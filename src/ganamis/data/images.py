"""Decode one image into 8-bit gray pixels, by value, and refuse whatever would lose information."""

import hashlib
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from ganamis.errors import UserError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
FIRST_CHUNK, BIT_DEPTH_OFFSET = slice(12, 16), 24  # PNG specification, third edition, 11.2.1
JPEG_SIGNATURE, SCAN = b"\xff\xd8\xff", b"\xff\xda"  # ITU-T T.81, B.1.1.3
LARGEST_SCANS = 64  # cameras and encoders write about ten; each costs a pass over the image
DAMAGED = "is truncated or damaged; copy the file again"


class ImageError(UserError):
    """One image that cannot be used, with the rule it breaks and the remedy."""


def read_gray(path: Path, *, size: int) -> tuple[np.ndarray, str]:
    """Decode the PNG file at `path`; see `decode_gray`."""
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror}); check the file's rights") from error
    return decode_gray(encoded, size=size)


def decode_gray(encoded: bytes, *, size: int) -> tuple[np.ndarray, str]:
    """Decode an 8-bit PNG to gray pixels.

    Palette and RGB images are converted by the value of their colours, never by palette index.
    The size is read from the header, so that a decompression bomb is refused unopened.

    Args:
        encoded: the bytes of the file.
        size: required width and height in pixels.

    Returns:
        pixels `[size, size]` uint8 and Pillow's name of the mode before conversion.

    Raises:
        ImageError: the rule that was broken, the value found and the remedy.
    """
    if not encoded:
        raise ImageError("is empty; copy the file again")
    if not encoded.startswith(PNG_SIGNATURE):
        raise ImageError("is not a PNG; convert it without loss, from the original pixels")
    # Not Image.open: its bomb check stops at a fixed size, by a warning that threads share.
    return _decode(PngImageFile, encoded, size=size)


def _decode(
    format: type[PngImageFile] | type[JpegImageFile], encoded: bytes, *, size: int
) -> tuple[np.ndarray, str]:
    try:
        image = format(io.BytesIO(encoded))
        _check_size(image, size=size)
        if isinstance(image, PngImageFile):
            _check_header(image, encoded)
        image.load()
    except ImageError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, LookupError, struct.error) as error:
        raise ImageError(DAMAGED) from error
    return _gray_values(image), image.mode


def _check_size(image: Image.Image, *, size: int) -> None:
    if image.size != (size, size):
        width, height = image.size
        raise ImageError(
            f"expected {size}x{size} pixels, got {width}x{height}; set data.size, and do not "
            "resize: resizing destroys the fingerprint"
        )


def _check_header(image: PngImageFile, encoded: bytes) -> None:
    if encoded[FIRST_CHUNK] != b"IHDR":  # Pillow would read on, and the depth lie elsewhere
        raise ImageError("is not a valid PNG, its header comes late; export it again")
    depth = encoded[BIT_DEPTH_OFFSET]
    if depth > 8 or (depth < 8 and image.mode != "P"):
        raise ImageError(f"expected 8 bits per channel, got {depth}; export it as 8-bit gray")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageError(f"has {frames} frames; export one frame per file")


def _gray_values(image: Image.Image) -> np.ndarray:
    pixels, coloured = gray_or_luma(image)
    if coloured:
        raise ImageError(
            f"mode {image.mode} holds colours that are not gray; export it as 8-bit gray"
        )
    return pixels


def gray_or_luma(image: Image.Image) -> tuple[np.ndarray, bool]:
    """Gray levels `[H, W]` uint8 of a decoded image, and whether they are the luma of colours.

    Luma is that of ITU-R BT.601, .299 R + .587 G + .114 B, as Pillow rounds it.

    Raises:
        ImageError: transparent pixels, or inks.
    """
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image, dtype=np.uint8), False
    if image.mode == "CMYK":
        raise ImageError("has inks (CMYK) for gray levels; export it as 8-bit gray")
    colours = np.asarray(image.convert("RGBA"), dtype=np.uint8)
    if (colours[..., 3] != 255).any():
        raise ImageError("has transparent pixels; flatten it onto the intended background")
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    if (red != green).any() or (red != blue).any():
        return np.asarray(image.convert("RGB").convert("L"), dtype=np.uint8), True
    return np.ascontiguousarray(red), False


def pixel_digest(pixels: np.ndarray) -> str:
    """Identity of an image: sha256 of its shape and decoded pixels `[H, W]` uint8, as hex."""
    height, width = pixels.shape
    digest = hashlib.sha256(f"{height}x{width}:".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
