"""DICOM images: gray levels through rescale slope and intercept, then an explicit window.

Of the header only the elements named here are read. What pydicom says of a file may quote names of
people, so its warnings are silenced and its errors replaced by ours.
"""

import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ganamis.data.images import DAMAGED, ImageError, gray_or_luma
from ganamis.data.reading import Frame, Look, Reading, UnsaidError, check_look, read_at_most

PREAMBLE, PREFIX = 128, b"DICM"  # DICOM PS3.10, 7.1
DEFLATED = b"1.2.840.10008.1.2.1.99"  # would be inflated whole, whatever its size
HEADER_ROOM = 2**23  # bytes that a file may have beside its pixels
MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
COLOURED = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
INSTALL = "install python-gdcm (`pip install ganamis[dicom]`)"
TAGS = (
    "Modality",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "PixelValueTransformationSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
)


def recognises(head: bytes) -> bool:
    """Whether a file that begins with `head` is a DICOM file."""
    return head[PREAMBLE : PREAMBLE + len(PREFIX)] == PREFIX


@dataclass(frozen=True)
class Dicom:
    """One image or a stack of frames, native or in a transfer syntax that has a decoder here."""

    def look(self, stream: BinaryIO, reading: Reading) -> Look:
        """See `Format`."""
        try:
            return _look(_read(stream, pixels=False), reading)
        except (ImageError, UnsaidError):
            raise
        except Exception:  # pydicom's errors quote the header
            raise ImageError(DAMAGED) from None

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """See `Format`."""
        try:
            image = _read(stream, pixels=True, reading=reading)
            yield from _frames(image, reading)
        except (ImageError, UnsaidError):
            raise
        except Exception:  # pydicom's errors quote the header
            raise ImageError(DAMAGED) from None


def _read(stream: BinaryIO, *, pixels: bool, reading: Reading | None = None) -> Any:
    import pydicom

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom\.|ganamis\.data\.dicom")
    if DEFLATED in stream.read(4096):
        raise ImageError("is a deflated DICOM file; store it in another transfer syntax")
    stream.seek(0)
    image = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(TAGS))
    if not pixels:
        return image
    seen = _look(image, reading or Reading())
    check_look(seen)
    whole = seen.frames * seen.width * seen.height * image.SamplesPerPixel
    stream.seek(0)
    content = read_at_most(stream, largest=2 * whole * (image.BitsAllocated // 8) + HEADER_ROOM)
    return pydicom.dcmread(io.BytesIO(content), specific_tags=list(TAGS))


def _look(image: Any, reading: Reading) -> Look:
    if "Rows" not in image or "Columns" not in image:
        raise ImageError("is a DICOM file without an image")
    kind = image.PhotometricInterpretation
    if kind not in (*MONOCHROME, *COLOURED) or image.SamplesPerPixel not in (1, 3):
        raise ImageError("is neither gray nor RGB; export it as gray levels")
    if image.SamplesPerPixel == 3 and image.BitsAllocated != 8:
        raise ImageError("has more than 8 bits for each colour; export it as gray levels")
    if image.BitsAllocated not in (8, 16, 32):
        raise ImageError("has neither 8, 16 nor 32 bits for a pixel; export it as gray levels")
    if image.SamplesPerPixel == 1 and not _is_gray(image):
        _window(image, reading)
    return Look(int(image.Columns), int(image.Rows), frames=int(image.get("NumberOfFrames") or 1))


def _is_gray(image: Any) -> bool:
    """Whether the stored bytes are gray levels already."""
    return bool(
        image.BitsAllocated == 8
        and image.PixelRepresentation == 0
        and _rescale(image, frame=0) == (1.0, 0.0)
        and "ModalityLUTSequence" not in image
    )


def _window(image: Any, reading: Reading) -> Any:
    # Units: DICOM PS3.3, C.11.1.1.2; of a CT without a word on it, Hounsfield units.
    unit = image.get("RescaleType") or ("HU" if image.get("Modality") == "CT" else "")
    return reading.window_for(f"{image.BitsStored}-bit values", hounsfield=unit == "HU")


def _rescale(image: Any, *, frame: int) -> tuple[float, float]:
    """Slope and intercept of a frame: its own, those of all frames, or those of the image."""
    groups = list(image.get("SharedFunctionalGroupsSequence") or [])[:1]
    groups += list(image.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
    source = image
    for group in groups:
        for transformation in list(group.get("PixelValueTransformationSequence") or [])[:1]:
            source = transformation
    slope, intercept = source.get("RescaleSlope"), source.get("RescaleIntercept")
    return (
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
    )


def _frames(image: Any, reading: Reading) -> Iterator[Frame]:
    from pydicom.pixels import apply_modality_lut

    for number, stored in enumerate(_stored(image)):
        if image.SamplesPerPixel == 3:
            yield Frame(*gray_or_luma(Image.fromarray(stored)))
            continue
        if _is_gray(image):
            gray = stored
        elif "ModalityLUTSequence" in image:
            gray = _window(image, reading).apply(apply_modality_lut(stored, image))
        else:
            slope, intercept = _rescale(image, frame=number)
            values = stored.astype(np.float64) * slope + intercept
            gray = _window(image, reading).apply(values)
        dark = image.PhotometricInterpretation == "MONOCHROME1"  # the lowest value is white
        pixels = np.ascontiguousarray(255 - gray if dark else gray)
        yield Frame(pixels, windowed=not _is_gray(image))


def _stored(image: Any) -> Iterator[np.ndarray]:
    """The frames as they are stored, decompressed."""
    from pydicom.pixels import get_decoder, iter_pixels
    from pydicom.uid import UID_dictionary

    syntax = image.file_meta.TransferSyntaxUID
    if syntax not in UID_dictionary:  # its name would be whatever stands there
        raise ImageError(DAMAGED)
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise ImageError(
            f"is compressed as {syntax.name}, for which no decoder is installed; {INSTALL}"
        )
    try:
        yield from iter_pixels(image)
    except RuntimeError:  # every decoder gave up
        raise ImageError(
            f"is damaged, or compressed in a kind of {syntax.name} that no decoder here knows; "
            f"{INSTALL}"
        ) from None
