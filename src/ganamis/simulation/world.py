"""A world of simulated generators: what an extractor is taught on, and what judges it.

It is a folder of plain arrays that are mapped into memory, so its size does not matter; reading
one needs no TensorFlow.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganamis.files import read_json


@dataclass(frozen=True)
class World:
    """Images of many generators.

    images: `[G, N, 256, 256]` uint8. families: `[G]` int, the architecture of each generator.
    kinds: `[G]` str. content: `[G, N]` int, the row of the bank each image was drawn from.
    """

    images: np.ndarray
    families: np.ndarray
    kinds: np.ndarray
    content: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> "World":
        """Map a world that `draw_world` wrote."""
        card = read_json(folder / "world.json", stage="train-simulated")
        count = card["generators"]
        return cls(
            np.load(folder / "images.npy", mmap_mode="r")[:count],
            np.array(card["families"]),
            np.array(card["kinds"]),
            np.load(folder / "content.npy")[:count],
        )
