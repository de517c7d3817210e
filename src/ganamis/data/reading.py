"""How a folder is to be read: what its owner said, and what one image file says of itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from ganamis.data.images import ImageError
from ganamis.data.window import CHOICES, Window, parse_window
from ganamis.errors import UserError

SMALLEST, LARGEST = 64, 1024  # pixels, each side
LARGEST_VOLUME = 2**28  # pixels of all frames of one file: 256 MiB as gray levels
AXES = ("axial", "coronal", "sagittal", "i", "j", "k")


class UnsaidError(UserError):
    """An image that can be read once its owner says how; the message names the option."""


@dataclass(frozen=True)
class Reading:
    """What the owner of a folder said of it.

    size: width and height in pixels of the images to take; None where all have one size.
    window: how more than 256 gray levels become 8 bits. axis: across which a volume is cut.
    """

    size: tuple[int, int] | None = None
    window: Window | None = None
    axis: str | None = None

    def __post_init__(self) -> None:
        if self.axis is not None and self.axis not in AXES:
            raise UserError(f"--axis is '{self.axis}'; expected one of {', '.join(AXES)}")

    def window_for(self, what: str, *, hounsfield: bool) -> Window:
        """The window for values that need one.

        Args:
            what: names the values, such as `16-bit gray levels`.
            hounsfield: whether they are Hounsfield units.

        Raises:
            UnsaidError: there is none, or it speaks of other units.
        """
        if self.window is None:
            raise UnsaidError(f"holds {what}; say how they become 8 bits by {CHOICES}")
        if self.window.hounsfield and not hounsfield:
            raise UnsaidError(
                f"holds {what} that are no Hounsfield units; give --window LEVEL,WIDTH in its own"
            )
        return self.window


@dataclass(frozen=True)
class Look:
    """What the header of a file says: pixels of each frame, and how many frames."""

    width: int
    height: int
    frames: int = 1


@dataclass(frozen=True)
class Frame:
    """One decoded image.

    pixels: `[H, W]` uint8. coloured: they are the luma of colours. windowed: they had more than 8
    bits.
    """

    pixels: np.ndarray
    coloured: bool = False
    windowed: bool = False


class Format(Protocol):
    """One format of image files. Both functions raise ImageError or UnsaidError, and no other."""

    def look(self, stream: BinaryIO, reading: Reading) -> Look:
        """Read the header alone."""
        ...

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """Decode the frames, in their order."""
        ...


def parse_reading(
    *, size: str | None = None, window: str | None = None, axis: str | None = None
) -> Reading:
    """What the options `--size`, `--window` and `--axis` say, each of them left out by None.

    Raises:
        UserError: one of them cannot be understood.
    """
    return Reading(
        size=None if size is None else parse_size(size),
        window=None if window is None else parse_window(window),
        axis=axis,
    )


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from `256x192`.

    Raises:
        UserError: it is not of this form, or outside of what is read.
    """
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found:
        raise UserError(f"--size is '{text}'; expected WIDTHxHEIGHT in pixels, such as 256x256")
    size = int(found[1]), int(found[2])
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise UserError(f"--size is '{text}'; sides of {SMALLEST} to {LARGEST} pixels are read")
    return size


def size_name(size: tuple[int, int]) -> str:
    """`256x192` for a width and a height."""
    return f"{size[0]}x{size[1]}"


def check_look(look: Look) -> None:
    """Raises ImageError where a header tells of an image too small or too large to be read."""
    if not all(SMALLEST <= side <= LARGEST for side in (look.width, look.height)):
        raise ImageError(
            f"has {look.width}x{look.height} pixels; sides of {SMALLEST} to {LARGEST} are read"
        )
    if look.frames < 1 or look.frames * look.width * look.height > LARGEST_VOLUME:
        raise ImageError(
            f"has {look.frames} frames of {look.width}x{look.height} pixels; 1 to "
            f"{LARGEST_VOLUME // (look.width * look.height)} of them are read"
        )


def read_at_most(stream: BinaryIO, *, largest: int) -> bytes:
    """The content of a file of bounded size.

    Raises:
        ImageError: it is larger.
    """
    content = stream.read(largest + 1)
    if len(content) > largest:
        raise ImageError(f"has more than {largest} bytes; too many for what it shows")
    return content
