"""Pictures as `data:` addresses, so that a page needs no other file."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ganamis.report.parts import Picture

SIDE = 128  # pixels of an example
WHITE = 99.5  # percentile of the gray levels of an example that is shown white


def from_file(path: Path, *, title: str, alt: str, caption: str) -> Picture:
    """A PNG file as a picture."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    return Picture(title, alt, caption, _address(content), width, height)


def example(pixels: np.ndarray, *, alt: str, caption: str) -> Picture:
    """An image of the data set, `[H, W]` uint8, made small and bright enough to be looked at."""
    image = Image.fromarray(_bright(pixels))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return Picture("", alt, caption, _address(stream.getvalue()), image.width, image.height)


def _bright(pixels: np.ndarray) -> np.ndarray:
    """Gray levels scaled up until few are white; a bright image stays as it is."""
    brightest = max(float(np.percentile(pixels, WHITE)), 1.0)
    return np.minimum(pixels * max(255 / brightest, 1.0), 255).astype(np.uint8)


def _address(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
