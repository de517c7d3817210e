"""PNG, JPEG and TIFF files of a plain folder: gray ones by value, coloured ones as luma."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

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
from ganamis.data.reading import Frame, Look, Reading, UnsaidError, check_look, read_at_most

HEADER = 33  # bytes of a PNG: signature and IHDR
LARGEST_FILE = 2**26  # bytes
GRAY, PALETTE = 0, 3  # colour types of a PNG
DEEP = "16-bit gray levels"
FLOATING = "floating-point gray levels"
DEEP_MODES = {"I": "32-bit gray levels", "F": FLOATING}  # beside Pillow's I;16, I;16B, ...


@dataclass(frozen=True)
class Png:
    """Portable Network Graphics, third edition; 11.2.1 for the header."""

    def look(self, stream: BinaryIO, reading: Reading) -> Look:
        """See `Format`; Pillow is not asked, the header alone tells."""
        header = stream.read(HEADER)
        if len(header) < HEADER or header[FIRST_CHUNK] != b"IHDR":
            raise ImageError(DAMAGED)
        width, height = struct.unpack(">II", header[16:24])
        bits, colour = header[BIT_DEPTH_OFFSET], header[BIT_DEPTH_OFFSET + 1]
        if bits < 8 and colour != PALETTE:
            raise ImageError(f"has {bits} bits for a pixel; export it as 8-bit gray")
        if bits > 8 and colour != GRAY:
            raise ImageError(f"has {bits} bits for each colour; export it as {bits}-bit gray")
        if bits > 8:
            reading.window_for(DEEP, hounsfield=False)
        return Look(width, height)

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """See `Format`."""
        yield from _decode(PngImageFile, read_at_most(stream, largest=LARGEST_FILE), reading)


@dataclass(frozen=True)
class Jpeg:
    """JPEG, ITU-T T.81, baseline or progressive."""

    def look(self, stream: BinaryIO, reading: Reading) -> Look:
        """See `Format`."""
        try:
            return Look(*JpegImageFile(stream).size)
        except Exception as error:  # of Pillow and of the codecs under it
            raise ImageError(DAMAGED) from error

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """See `Format`."""
        encoded = read_at_most(stream, largest=LARGEST_FILE)
        if encoded.count(SCAN) > LARGEST_SCANS:
            raise ImageError(f"has more than {LARGEST_SCANS} scans; save it as a baseline JPEG")
        yield from _decode(JpegImageFile, encoded, reading)


@dataclass(frozen=True)
class Tiff:
    """TIFF 6.0: gray, palette or RGB of 8 bits, gray of 16 or 32 or floating; pages as frames."""

    def look(self, stream: BinaryIO, reading: Reading) -> Look:
        """See `Format`."""
        try:
            image = TiffImageFile(stream)
            if _is_deep(image):
                reading.window_for(_what(image), hounsfield=False)
            check_look(Look(*image.size))
            return Look(*image.size, frames=image.n_frames)
        except (ImageError, UnsaidError):
            raise
        except Exception as error:  # of Pillow and of the codecs under it
            raise ImageError(DAMAGED) from error

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """See `Format`."""
        yield from _decode(TiffImageFile, read_at_most(stream, largest=2**30), reading)


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
    try:
        check_look(format.look(io.BytesIO(encoded), Reading()))
        (frame,) = format.frames(io.BytesIO(encoded), Reading())
    except UnsaidError as error:
        raise ImageError("has more than 8 bits for a pixel; export it as 8-bit gray") from error
    if frame.coloured:
        raise ImageError("holds colours that are not gray; export it as 8-bit gray")
    return frame.pixels


def _decode(
    format: type[PngImageFile] | type[JpegImageFile] | type[TiffImageFile],
    encoded: bytes,
    reading: Reading,
) -> Iterator[Frame]:
    try:
        # Not Image.open: its bomb check stops at a fixed size, by a warning that threads share.
        image = format(io.BytesIO(encoded))
        count = getattr(image, "n_frames", 1)
        check_look(Look(*image.size, frames=count))
        if count > 1 and not isinstance(image, TiffImageFile):
            raise ImageError(f"has {count} frames; export one frame per file")
        for frame in range(count):
            if frame:
                image.seek(frame)
            check_look(Look(*image.size))
            image.load()
            yield _frame(image, reading)
    except (ImageError, UnsaidError):
        raise
    except Exception as error:  # of Pillow and of the codecs under it
        raise ImageError(DAMAGED) from error


def _is_deep(image: Image.Image) -> bool:
    return image.mode in DEEP_MODES or image.mode.startswith("I;16")


def _what(image: Image.Image) -> str:
    return DEEP_MODES.get(image.mode, DEEP)


def _frame(image: Image.Image, reading: Reading) -> Frame:
    if not _is_deep(image):
        if image.mode == "1":
            raise ImageError("has 1 bits for a pixel; export it as 8-bit gray")
        return Frame(*gray_or_luma(image))
    if "transparency" in image.info:
        raise ImageError("has transparent pixels; flatten it onto the intended background")
    window = reading.window_for(_what(image), hounsfield=False)
    return Frame(window.apply(np.asarray(image)), windowed=True)
