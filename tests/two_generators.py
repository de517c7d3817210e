"""Images of two plain generators: noise, and noise smoothed along its rows."""

from pathlib import Path

import numpy as np

from tests.builders import noise, write

SIDE = 64  # pixels, the least that is read


def write_images(root: Path, *, images: int, first: int = 0) -> None:
    """Write `root/0/` and `root/1/`, `images` each; no two images of different `first` agree."""
    for number in range(first, first + images):
        pixels = noise(number, size=SIDE)
        smooth = (noise(number + 10_000, size=SIDE).astype(int) + np.roll(pixels, 1, axis=1)) // 2
        write(root / "0" / f"{number}.png", pixels)
        write(root / "1" / f"{number}.png", smooth.astype(np.uint8))
