"""Any extractor's features in the directions that tell simulated generators apart.

A linear discriminant learned from generators in general: what varies inside one, content and
post-processing, is divided out, and what is left is scaled by how much generators differ there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganamis.contracts import Extractor, view_means
from ganamis.data.degradations import degrade
from ganamis.files import whole_file
from ganamis.simulation.postprocessing import draw_process, shifted, unprocessed
from ganamis.simulation.world import World

AXES_FILE, PART = "axes.npz", "part"
SHRINKAGE = 0.05  # of the within-generator covariance towards its diagonal
STEADY = 0.3  # between-generator variance, in units of that within, at which an axis counts half
DIRECTIONS = 200  # of largest variance, among which axes are sought
UNPROCESSED = 0.4  # of the images that teach


@dataclass(frozen=True)
class Discriminant:
    """An extractor and the axes its features are projected on.

    centre: `[D]`. axes: `[D, K]` float32.
    """

    part: Extractor
    centre: np.ndarray
    axes: np.ndarray

    @property
    def views(self) -> int:
        return self.part.views

    def embed(self, images: np.ndarray) -> np.ndarray:
        """`[N, views * K]` float32 of `[N, H, W]` uint8 images."""
        features = self.part.embed(images).reshape(len(images) * self.views, -1)
        return ((features - self.centre) @ self.axes).reshape(len(images), -1)

    def save(self, folder: Path) -> None:
        """Write the part into a folder of its own, and the axes as float16."""
        self.part.save(folder / PART)
        with whole_file(folder / AXES_FILE) as temporary:
            np.savez(temporary, centre=self.centre, axes=self.axes.astype(np.float16))

    @classmethod
    def load(cls, folder: Path, part: Extractor) -> "Discriminant":
        with np.load(folder / AXES_FILE, allow_pickle=False) as stored:
            return cls(part, stored["centre"], stored["axes"].astype(np.float32))


def generator_features(
    extractor: Extractor, images: np.ndarray, condition: str, *, seed: int
) -> np.ndarray:
    """Mean over the windows, `[G, N, D]` float64 of `[G, N, H, W]` uint8 images of G generators."""
    rows = [
        view_means(extractor.embed(degrade(np.asarray(own), condition, seed=seed)), extractor.views)
        for own in images
    ]
    return np.stack(rows).astype(np.float64)


def learn(
    extractor: Extractor, worlds: list[World], *, dimensions: int, images: int, seed: int
) -> Discriminant:
    """Learn the axes.

    Every image that teaches is shifted, so that the place of a generator's grid counts as what
    varies inside it, and most are processed, each in its own way.

    Args:
        worlds: generators that teach. images: of each. dimensions: axes kept.
    """
    features = [
        view_means(
            extractor.embed(_varied(world.images[row, :images], (seed, number, row))),
            extractor.views,
        )
        for number, world in enumerate(worlds)
        for row in range(len(world.images))
    ]
    centre, axes = discriminant_axes(np.stack(features).astype(np.float64), dimensions=dimensions)
    return Discriminant(extractor, centre, axes)


def _varied(images: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(seed)
    varied = []
    for image in images:
        process = unprocessed if random.random() < UNPROCESSED else draw_process(random)
        varied.append(process(shifted(np.asarray(image), random), random))
    return np.stack(varied)


def discriminant_axes(features: np.ndarray, *, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes of `[G, N, D]` features, best first, each scaled to what a generator moves along it.

    Along an axis the within variance is 1 and the between variance b; it is scaled by
    `sqrt(b / (b + STEADY))`.

    Returns:
        centre: `[D]` and axes: `[D, K]`, float32.
    """
    count, images, _ = features.shape
    flat = features.reshape(count * images, -1)
    centre = flat.mean(axis=0)
    _, sizes, directions = np.linalg.svd(flat - centre, full_matrices=False)
    known = min(DIRECTIONS, int((sizes > 1e-6 * sizes[0]).sum()))
    basis = directions[:known].T
    points = (flat - centre) @ basis
    means = points.reshape(count, images, -1).mean(axis=1)
    rest = points - np.repeat(means, images, axis=0)
    within = rest.T @ rest / (count * (images - 1))
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.diag(np.diag(within))
    values, vectors = np.linalg.eigh(within)
    whitening = vectors / np.sqrt(np.maximum(values, values[-1] * 1e-7))
    moved = np.cov((means @ whitening).T) - np.eye(known) / images
    between, turn = np.linalg.eigh(moved)
    best = np.argsort(-between)[:dimensions]
    kept = np.maximum(between[best], 0)
    axes = basis @ whitening @ turn[:, best] * np.sqrt(kept / (kept + STEADY))
    return centre.astype(np.float32), axes.astype(np.float32)
