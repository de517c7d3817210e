"""The content that simulated generators draw: drawn slices and the zoo's anatomies.

A bank is made once and shared by all generators of a world, so that content gives none away.
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from ganamis.simulation.phantoms import SIDE, Body, cloud, dead_leaves

# Of a bank; the rest are imagined bodies.
ZOO_SHARE, LEAVES_SHARE, CLOUD_SHARE = 0.35, 0.1, 0.05
SLICES = 4  # most neighbouring slices of one imagined body


def window(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Another gray window and contrast, now and then scaled to the slice's own range."""
    low, high = random.uniform(0.0, 0.12), random.uniform(0.55, 1.1)
    shown = np.clip((image - low) / (high - low), 0, 1) ** np.exp(random.normal(0, 0.3))
    if random.random() < 0.3:
        shown = shown / max(float(shown.max()), 1e-3)
    return (shown * random.uniform(0.5, 1.0) if random.random() < 0.4 else shown).astype(np.float32)


def _moved(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Turned, magnified and shifted between the pixels, which wears off what drew it."""
    angle, zoom = random.normal(0, 0.15), random.uniform(0.75, 1.05, 2)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * zoom
    if random.random() < 0.5:
        matrix[:, 1] *= -1
    centre = (SIDE - 1) / 2
    offset = centre - matrix @ (np.full(2, centre) + random.uniform(-12, 12, 2))
    return ndimage.affine_transform(image, matrix, offset, order=1)


def _zoo_slices(count: int, *, seed: int) -> np.ndarray:
    """`[count, 256, 256]` float32 in [0, 1], in turns from generators of unlike up-sampling."""
    from ganamis.zoo.sampling import sample_images

    names = ("vae", "pixel_shuffle", "latent_flow")
    shares = [len(range(i, count, len(names))) for i in range(len(names))]
    drawn = [
        sample_images(name, share, seed=seed + i)
        for i, (name, share) in enumerate(zip(names, shares, strict=True))
        if share
    ]
    return np.concatenate(drawn).astype(np.float32) / 255 if drawn else np.empty((0, SIDE, SIDE))


def _drawn_slices(random: np.random.Generator) -> Iterator[np.ndarray]:
    while True:
        kind = random.random() * (1 - ZOO_SHARE)
        if kind < LEAVES_SHARE:
            yield dead_leaves(random)
        elif kind < LEAVES_SHARE + CLOUD_SHARE:
            yield cloud(random)
        else:
            yield from Body(random).slices(int(random.integers(1, SLICES + 1)))


def draw_bank(count: int, *, seed: int) -> np.ndarray:
    """Draw content.

    Args:
        count: slices. seed: same seed, same slices.

    Returns:
        `[count, 256, 256]` float16 in [0, 1], in random order.
    """
    random = np.random.default_rng((seed, 1))
    zoo = round(count * ZOO_SHARE)
    bank = np.empty((count, SIDE, SIDE), np.float16)
    for place, image in enumerate(_zoo_slices(zoo, seed=seed)):
        bank[place] = window(_moved(image, random), random)
    slices = _drawn_slices(random)
    for place in range(zoo, count):
        bank[place] = window(next(slices), random)
    return bank[random.permutation(count)]
