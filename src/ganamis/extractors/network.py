"""A trained network as an extractor: crops in, mean penultimate activations out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ganamis.errors import UserError
from ganamis.extractors.crops import take_view, view_corners

if TYPE_CHECKING:
    import keras

MODEL_FILE, SETTINGS_FILE = "network.keras", "network.json"


@dataclass(frozen=True)
class NetworkExtractor:
    """Penultimate features of a network, averaged over native-resolution crops.

    model: from `[N, crop, crop, 1]` gray levels to `[N, D]` features.
    """

    model: "keras.Model"
    crop: int
    crops: int
    batch_size: int

    views: ClassVar[int] = 1

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embed `[N, H, W]` uint8 as `[N, D]` float32.

        Raises:
            UserError: the images are smaller than the crop.
        """
        size = min(images.shape[1:])
        if size < self.crop:
            raise UserError(f"images of {size} pixels are smaller than the crop of {self.crop}")
        total = sum(
            self.model.predict(
                take_view(images, corner, crop=self.crop), batch_size=self.batch_size, verbose=0
            )
            for corner in view_corners(size, crop=self.crop, views=self.crops)
        )
        return np.asarray(total / self.crops, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the network and its settings into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / MODEL_FILE)
        settings = {"crop": self.crop, "crops": self.crops, "batch_size": self.batch_size}
        (folder / SETTINGS_FILE).write_text(json.dumps(settings))

    @classmethod
    def load(cls, folder: Path) -> "NetworkExtractor":
        """Read what `save` wrote."""
        import keras

        settings = json.loads((folder / SETTINGS_FILE).read_text())
        return cls(model=keras.saving.load_model(folder / MODEL_FILE, compile=False), **settings)
