"""How a folder is to be read: what its owner said, and what one image file says of itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from ganamis.data.images import ImageError
from ganamis.errors import UserError

SMALLEST, LARGEST = 64, 1024  # pixels, each side


@dataclass(frozen=True)
class Reading:
    """What the owner of a folder said of it.

    size: width and height in pixels of the images to take; None where all have one size.
    """

    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Look:
    """What the header of a file says: pixels of each frame, and how many frames."""

    width: int
    height: int
    frames: int = 1


@dataclass(frozen=True)
class Frame:
    """One decoded image. pixels: `[H, W]` uint8. coloured: they are the luma of colours."""

    pixels: np.ndarray
    coloured: bool = False


class Format(Protocol):
    """One format of image files. Both functions raise ImageError, and no other."""

    def look(self, stream: BinaryIO) -> Look:
        """Read the header alone."""
        ...

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """Decode the frames, in their order."""
        ...


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


def check_side(look: Look) -> None:
    """Raises ImageError where a header tells of an image too small or too large to be read."""
    if not all(SMALLEST <= side <= LARGEST for side in (look.width, look.height)):
        raise ImageError(
            f"has {look.width}x{look.height} pixels; sides of {SMALLEST} to {LARGEST} are read"
        )
