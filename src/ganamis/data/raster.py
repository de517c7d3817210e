"""PNG and JPEG files of a plain folder: every gray one is read by value, a coloured one as luma."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from ganamis.data.images import (
    BIT_DEPTH_OFFSET,
    DAMAGED,
    FIRST_CHUNK,
    LARGEST_SCANS,
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
