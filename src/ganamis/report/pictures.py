"""Pictures as `data:` addresses, so that a page needs no other file."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ganamis.report.page import Picture

SIDE = 128  # pixels of an example


def from_file(path: Path, *, title: str, alt: str, caption: str) -> Picture:
    """A PNG file as a picture."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    return Picture(title, alt, caption, _address(content), width, height)


def example(pixels: np.ndarray, *, alt: str, caption: str) -> Picture:
    """An image of the data set, `[H, W]` uint8, made small for looking."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return Picture("", alt, caption, _address(stream.getvalue()), image.width, image.height)


def _address(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
