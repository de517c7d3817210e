"""Simulated generators: smooth content, and noise with a filter of each one's own."""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from ganamis.extractors.spectrum import Spectrum
from ganamis.model.catalogue import fit_on_images
from ganamis.model.fingerprint import FingerprintModel
from tests.builders import PARAMS, write

SPECTRUM = Spectrum(grid=3, periods=(16,), threads=1)
CONDITIONS = ("clean", "jpeg90", "noise1")
FILTERS = ((0.6, 0.6), (0.9, 0.5), (0.5, 0.9), (1.1, 1.1), (0.75, 0.75))


def draw(generator: int, count: int, seed: int, *, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Images `[count, height, width]` uint8 of one generator."""
    random = np.random.default_rng([generator, seed])
    content = gaussian_filter(random.normal(size=(count, *size)), (0, 6, 6)) * 400
    texture = gaussian_filter(random.normal(size=(count, *size)), (0, *FILTERS[generator]))
    texture *= 8 / texture.std()
    return np.clip(128 + content + texture, 0, 255).astype(np.uint8)


def model_of(*generators: int, names: str = "abcde", images: int = 30) -> FingerprintModel:
    """A calibrated model that knows these generators by one letter each."""
    return fit_on_images(
        SPECTRUM,
        np.concatenate([draw(generator, images, 0) for generator in generators]),
        np.repeat([names[generator] for generator in generators], images),
        conditions=CONDITIONS,
        settings=PARAMS.model,
        seed=0,
    )


def write_images(folder: Path, generator: int, count: int, seed: int, **options: object) -> None:
    """Images of one generator as files whose names begin with its number."""
    for number, image in enumerate(draw(generator, count, seed, **options)):  # type: ignore[arg-type]
        write(folder / f"{generator}-{number:03d}.png", image)
