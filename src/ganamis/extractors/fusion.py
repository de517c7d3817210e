"""Several extractors as one: each view of an image carries the features of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganamis.contracts import Embeddings, Extractor
from ganamis.files import write_json

FUSION_FILE = "fusion.json"


def fuse(parts: Sequence[Embeddings]) -> Embeddings:
    """Embeddings of the same images by several extractors that have the same views, as one.

    As in `Fusion`, every part brings the same total variance; the within-generator covariance of
    all parts together whitens them.
    """
    ids, views = parts[0].ids, parts[0].views
    if any(part.views != views for part in parts):
        raise ValueError(f"fuse: parts with {sorted({part.views for part in parts})} views")
    split = []
    for part in parts:
        features = part.select(ids)
        scale = np.sqrt(features.var(axis=0).sum()) or np.float32(1.0)
        split.append(features.reshape(len(ids), views, -1) / scale)
    return Embeddings(ids, np.concatenate(split, axis=2).reshape(len(ids), -1), views)


@dataclass(frozen=True)
class Fusion:
    """Concatenates extractors that cut an image into the same views.

    parts: the extractors. scales: for each, what its features are divided by, so that every part
    brings the same total variance to the basis that is learned next; the whitening proper is left
    to the within-generator covariance of all parts together, which knows how they covary.
    """

    parts: tuple[Extractor, ...]
    scales: tuple[float, ...]

    def __post_init__(self) -> None:
        views = sorted({part.views for part in self.parts})
        if len(views) != 1 or len(self.scales) != len(self.parts):
            raise ValueError(f"fusion: parts with {views} views and {len(self.scales)} scales")

    @classmethod
    def fit(cls, parts: tuple[Extractor, ...], images: np.ndarray) -> "Fusion":
        """Measure the scales on `[N, H, W]` uint8 images."""
        totals = [float(np.sqrt(part.embed(images).var(axis=0).sum())) for part in parts]
        return cls(parts, tuple(total or 1.0 for total in totals))

    @property
    def views(self) -> int:
        return self.parts[0].views

    def embed(self, images: np.ndarray) -> np.ndarray:
        """`[N, views * D]` float32, D the sum over the parts."""
        split = [
            part.embed(images).reshape(len(images), self.views, -1) / np.float32(scale)
            for part, scale in zip(self.parts, self.scales, strict=True)
        ]
        return np.concatenate(split, axis=2).reshape(len(images), -1)

    def save(self, folder: Path) -> None:
        """Write each part into a folder of its own, and the scales."""
        for index, part in enumerate(self.parts):
            part.save(folder / f"part-{index}")
        write_json(folder / FUSION_FILE, {"scales": self.scales})
