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
    features = [part.select(ids) for part in parts]
    scales = [_scale(part) for part in features]
    return Embeddings(ids, _side_by_side(features, scales, views=views), views)


def _scale(features: np.ndarray) -> float:
    """The root of the total variance of `[N, D]` features; 1 where they do not vary."""
    return float(np.sqrt(features.var(axis=0).sum())) or 1.0


def _side_by_side(
    parts: Sequence[np.ndarray], scales: Sequence[float], *, views: int
) -> np.ndarray:
    """Features `[N, views * D]` of several extractors, scaled, view by view; D their sum."""
    split = [
        part.reshape(len(part), views, -1) / np.float32(scale)
        for part, scale in zip(parts, scales, strict=True)
    ]
    return np.concatenate(split, axis=2).reshape(len(parts[0]), -1)


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
        return cls(parts, tuple(_scale(part.embed(images)) for part in parts))

    @property
    def views(self) -> int:
        return self.parts[0].views

    def embed(self, images: np.ndarray) -> np.ndarray:
        """`[N, views * D]` float32, D the sum over the parts."""
        features = [part.embed(images) for part in self.parts]
        return _side_by_side(features, self.scales, views=self.views)

    def save(self, folder: Path) -> None:
        """Write each part into a folder of its own, and the scales."""
        for index, part in enumerate(self.parts):
            part.save(folder / f"part-{index}")
        write_json(folder / FUSION_FILE, {"scales": self.scales})
