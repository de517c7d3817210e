"""Which format a file has: by its first bytes, never by its name."""

import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from zipfile import BadZipFile

from ganamis.data import dicom, nifti
from ganamis.data.images import DAMAGED, JPEG_SIGNATURE, PNG_SIGNATURE, ImageError
from ganamis.data.raster import Jpeg, Png, Tiff
from ganamis.data.reading import Format, Frame, Look, Reading
from ganamis.data.source import Source

HEAD = 1024  # bytes that tell a format
NO_IMAGE = "is no image that can be read (PNG, JPEG, TIFF, DICOM or NIfTI)"
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

FORMATS: tuple[tuple[Callable[[bytes], bool], Format], ...] = (
    (lambda head: head.startswith(PNG_SIGNATURE), Png()),
    (lambda head: head.startswith(JPEG_SIGNATURE), Jpeg()),
    (dicom.recognises, dicom.Dicom()),  # before TIFF: a DICOM preamble may be that of a TIFF
    (lambda head: head.startswith(TIFF_SIGNATURES), Tiff()),
    (nifti.recognises, nifti.Nifti()),
)


def look(source: Source, name: str, reading: Reading) -> tuple[Format, Look]:
    """The format of a file, and what its header says.

    Raises:
        ImageError: it is no image, or one that cannot be used.
        UnsaidError: its owner has to say how it is to be read.
    """
    with _opened(source, name) as stream:
        head = stream.read(HEAD)
        if not head:
            raise ImageError("is empty; copy the file again")
        for recognises, format in FORMATS:
            if recognises(head):
                stream.seek(0)
                return format, format.look(stream, reading)
    raise ImageError(NO_IMAGE)


def decode(source: Source, name: str, format: Format, reading: Reading) -> Iterator[Frame]:
    """The frames of a file, in their order.

    Raises:
        ImageError: it is damaged, or cannot be used.
    """
    with _opened(source, name) as stream:
        yield from format.frames(stream, reading)


@contextmanager
def _opened(source: Source, name: str) -> Iterator[BinaryIO]:
    try:
        with source.open(name) as stream:
            yield stream
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror}); check the file's rights") from error
    except (BadZipFile, EOFError, NotImplementedError, lzma.LZMAError, zlib.error) as error:
        raise ImageError(DAMAGED) from error
