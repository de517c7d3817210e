"""A trained network as an extractor: crops in, the features that it was read at out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganamis.errors import UserError
from ganamis.extractors.crops import take_views
from ganamis.extractors.exported import ExportedNetwork
from ganamis.files import read_json, write_json

SETTINGS_FILE = "network.json"


@dataclass(frozen=True)
class NetworkExtractor:
    """Features of native-resolution crops, each crop a view of its image.

    network: from `[N, crop, crop, 1]` gray levels to `[N, D]` features.
    """

    network: ExportedNetwork
    crop: int
    views: int

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embed `[N, H, W]` uint8 as `[N, V * D]` float32.

        Raises:
            UserError: the images are smaller than the crop.
        """
        size = min(images.shape[1:])
        if size < self.crop:
            raise UserError(f"images of {size} pixels are smaller than the crop of {self.crop}")
        together = max(1, self.network.batch // self.views)
        parts = [
            self.network(take_views(images[start : start + together], self.crop, self.views))
            for start in range(0, len(images), together)
        ]
        return np.concatenate(parts).reshape(len(images), -1)

    def save(self, folder: Path) -> None:
        """Write the network and its settings into `folder`."""
        self.network.save(folder)
        settings = {"crop": self.crop, "views": self.views, "batch": self.network.batch}
        write_json(folder / SETTINGS_FILE, settings)

    @classmethod
    def load(cls, folder: Path) -> "NetworkExtractor":
        """Read what `save` wrote."""
        settings = read_json(folder / SETTINGS_FILE, stage="train")
        network = ExportedNetwork.load(folder, batch=settings["batch"])
        return cls(network, crop=settings["crop"], views=settings["views"])
