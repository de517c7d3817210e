"""PNG and JPEG files of a plain folder: every gray one is read by value, a coloured one as luma."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from ganamis.data.images import (
    BIT_DEPTH_OFFSET,
    DAMAGED,
    FIRST_CHUNK,
    JPEG_SIGNATURE,
    LARGEST_SCANS,
    PNG_SIGNATURE,
    SCAN,
    ImageError,
    gray_or_luma,
)
from ganamis.data.reading import Frame, Look, Reading, check_side

HEADER = 33  # bytes: signature and IHDR
BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error)


@dataclass(frozen=True)
class Png:
    """Portable Network Graphics, third edition, 11.2.1 for the header."""

    def look(self, stream: BinaryIO) -> Look:
        """See `Format`; Pillow is not asked, the header alone tells."""
        header = stream.read(HEADER)
        if len(header) < HEADER or header[FIRST_CHUNK] != b"IHDR":
            raise ImageError(DAMAGED)
        width, height = struct.unpack(">II", header[16:24])
        bits, colour = header[BIT_DEPTH_OFFSET], header[BIT_DEPTH_OFFSET + 1]
        if bits < 8 and colour != 3:
            raise ImageError(f"has {bits} bits for a pixel; export it as 8-bit gray")
        if bits > 8:
            raise ImageError(f"has {bits} bits for a channel; export it as 8-bit gray")
        return Look(width, height)

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """See `Format`."""
        yield _decode(PngImageFile, stream.read())


@dataclass(frozen=True)
class Jpeg:
    """JPEG, ITU-T T.81, baseline or progressive."""

    def look(self, stream: BinaryIO) -> Look:
        """See `Format`."""
        try:
            return Look(*JpegImageFile(stream).size)
        except BROKEN as error:
            raise ImageError(DAMAGED) from error

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """See `Format`."""
        encoded = stream.read()
        if encoded.count(SCAN) > LARGEST_SCANS:
            raise ImageError(f"has more than {LARGEST_SCANS} scans; save it as a baseline JPEG")
        yield _decode(JpegImageFile, encoded)


def decode_encoded(encoded: bytes, *, largest: int) -> np.ndarray:
    """Gray pixels `[H, W]` uint8 of an 8-bit gray PNG or JPEG that a stranger sent.

    Args:
        largest: bytes that the file may have.

    Raises:
        ImageError: the rule that was broken; it never quotes the file.
    """
    if len(encoded) > largest:
        raise ImageError(f"has {len(encoded)} bytes; at most {largest} are taken")
    if not encoded:
        raise ImageError("is empty; copy the file again")
    if not encoded.startswith((PNG_SIGNATURE, JPEG_SIGNATURE)):
        raise ImageError("is neither a PNG nor a JPEG; encode the pixels as one of them")
    format = Png() if encoded.startswith(PNG_SIGNATURE) else Jpeg()
    check_side(format.look(io.BytesIO(encoded)))
    (frame,) = format.frames(io.BytesIO(encoded), Reading())
    if frame.coloured:
        raise ImageError("holds colours that are not gray; export it as 8-bit gray")
    return frame.pixels


def _decode(format: type[PngImageFile] | type[JpegImageFile], encoded: bytes) -> Frame:
    try:
        # Not Image.open: its bomb check stops at a fixed size, by a warning that threads share.
        image = format(io.BytesIO(encoded))
        check_side(Look(*image.size))
        _one_frame(image)
        image.load()
        return Frame(*gray_or_luma(image))
    except ImageError:
        raise
    except BROKEN as error:
        raise ImageError(DAMAGED) from error


def _one_frame(image: Image.Image) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageError(f"has {frames} frames; export one frame per file")
