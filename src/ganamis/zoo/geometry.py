"""The sizes every part of the zoo agrees on, and the two maps between a slice and its code."""

import numpy as np
from numpy.typing import NDArray

IMAGE_SIZE = 256
CODE_SIZE = 32
SCALE = IMAGE_SIZE // CODE_SIZE


def reduce(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Average every 8x8 block.

    Args:
        images: `[..., 8h, 8w]` floating, any unit.

    Returns:
        `[..., h, w]` float32, the same unit.
    """
    *lead, height, width = images.shape
    blocks = images.reshape(*lead, height // SCALE, SCALE, width // SCALE, SCALE)
    return blocks.mean(axis=(-3, -1)).astype(np.float32)
