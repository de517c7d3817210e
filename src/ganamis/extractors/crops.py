"""Native-resolution crops: where they lie, and the stream of them that a network trains on."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ganamis.params import Augmentation

NOISE_SIGMA = 1.0  # gray levels, of the noise augmentation


def view_corners(height: int, width: int, *, crop: int, views: int) -> list[tuple[int, int]]:
    """Upper-left corners of `views` crops on a centred grid, in pixels."""
    side = math.ceil(math.sqrt(views))
    rows, columns = (
        [round((size - crop) * (2 * i + 1) / (2 * side)) for i in range(side)]
        for size in (height, width)
    )
    return [(row, column) for row in rows for column in columns][:views]


def take_views(images: np.ndarray, crop: int, views: int) -> np.ndarray:
    """Cut `[N * views, crop, crop, 1]` float32 gray levels out of `[N, H, W]` uint8."""
    cut = [
        images[:, row : row + crop, column : column + crop]
        for row, column in view_corners(*images.shape[1:], crop=crop, views=views)
    ]
    return np.stack(cut, axis=1).reshape(-1, crop, crop, 1).astype(np.float32)


def balanced_crops(
    copies: Sequence[np.ndarray],
    labels: np.ndarray,
    *,
    crop: int,
    each: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """A batch `[B, crop, crop, 1]` float32 and its labels `[B]`, every label `each` times.

    Args:
        copies: versions `[N, H, W]` uint8 of the same images, of which each crop takes one.
        labels: `[N]`, the images' generators.
    """
    height, width = copies[0].shape[1:]
    rows = np.concatenate(
        [random.choice(np.flatnonzero(labels == label), each) for label in np.unique(labels)]
    )
    crops = []
    for row in rows:
        y, x = random.integers(height - crop + 1), random.integers(width - crop + 1)
        source = copies[int(random.integers(len(copies)))][row]
        crops.append(source[y : y + crop, x : x + crop])
    pixels = np.stack(crops)[..., None].astype(np.float32)
    return pixels[:, :, :: random.choice((-1, 1))], labels[rows]


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    crop: int,
    batch_size: int,
    augmentation: Augmentation,
    seed: int,
    epochs: range,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches of random crops, epoch after epoch.

    Each epoch's order, positions and augmentation follow from (seed, epoch) alone, so that
    training resumed at an epoch sees what uninterrupted training would have seen.

    Args:
        images: `[N, H, W]` uint8. labels: `[N]` int in 0 .. G - 1.

    Yields:
        `[<= batch_size, crop, crop, 1]` float32 gray levels and `[<= batch_size]` int labels.
    """
    count, height, width = images.shape
    for epoch in epochs:
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(count)
        rows = random.integers(0, height - crop + 1, count)
        columns = random.integers(0, width - crop + 1, count)
        flips = random.integers(0, 2, (count, 2)).astype(bool)
        for start in range(0, count, batch_size):
            chosen = order[start : start + batch_size]
            batch = np.stack(
                [
                    images[i, rows[i] : rows[i] + crop, columns[i] : columns[i] + crop]
                    for i in chosen
                ]
            ).astype(np.float32)
            if augmentation != "none":
                vertical, horizontal = flips[chosen, 0], flips[chosen, 1]
                batch[vertical] = batch[vertical, ::-1]
                batch[horizontal] = batch[horizontal, :, ::-1]
            if augmentation == "flips_and_noise":
                batch += random.normal(0, NOISE_SIGMA, batch.shape).astype(np.float32)
            yield batch[..., None], labels[chosen]
