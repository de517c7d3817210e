"""Which format a file has: by its first bytes, never by its name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ganamis.data.images import JPEG_SIGNATURE, PNG_SIGNATURE, ImageError
from ganamis.data.raster import Jpeg, Png
from ganamis.data.reading import Format, Frame, Look, Reading
from ganamis.data.source import Source

HEAD = 512  # bytes that tell a format
NO_IMAGE = "is no image that can be read (PNG or JPEG)"

FORMATS: tuple[tuple[Callable[[bytes], bool], Format], ...] = (
    (lambda head: head.startswith(PNG_SIGNATURE), Png()),
    (lambda head: head.startswith(JPEG_SIGNATURE), Jpeg()),
)


def look(source: Source, name: str) -> tuple[Format, Look]:
    """The format of a file, and what its header says.

    Raises:
        ImageError: it is no image, or one that cannot be used.
    """
    with _opened(source, name) as stream:
        head = stream.read(HEAD)
        if not head:
            raise ImageError("is empty; copy the file again")
        for recognises, format in FORMATS:
            if recognises(head):
                stream.seek(0)
                return format, format.look(stream)
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
