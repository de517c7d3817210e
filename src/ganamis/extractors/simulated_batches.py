"""Batches of crops of simulated generators, hard on purpose, that teach an extractor.

Several generators of a batch are one architecture with other weights, and draw the same content;
crops of one generator differ in content and, half of the time, in post-processing.
"""

from dataclasses import dataclass

import numpy as np

from ganamis.simulation.postprocessing import Process, draw_process, unprocessed
from ganamis.simulation.world import World

MARGIN = 16  # pixels beyond a crop that are processed with it, so that borders and grids move
TRIES = 3  # places looked at for each crop; the one with the most contrast is taken


@dataclass(frozen=True)
class BatchPlan:
    """generators: in a batch. crops: of each. siblings: most generators of one family. sides:
    pixels of a crop, one chosen for each batch."""

    generators: int
    crops: int
    siblings: int
    sides: tuple[int, ...]


def _chosen(worlds: list[World], plan: BatchPlan, random: np.random.Generator) -> list[tuple]:
    """Generators as `(world, row, key of the family)`."""
    chosen: list[tuple] = []
    while len(chosen) < plan.generators:
        world = worlds[random.integers(len(worlds))]
        family = world.families[random.integers(len(world.families))]
        rows = np.flatnonzero(world.families == family)
        for row in random.permutation(rows)[: plan.siblings]:
            if not any(world is other and row == place for other, place, _ in chosen):
                chosen.append((world, int(row), (id(world), int(family))))
    return chosen[: plan.generators]


def _processes(plan: BatchPlan, random: np.random.Generator) -> list[Process]:
    """One for each crop, alike in the batch, in each generator, or nowhere; half are none."""

    def one() -> Process:
        return unprocessed if random.random() < 0.5 else draw_process(random)

    mode = random.random()
    if mode < 0.25:
        return [one()] * (plan.generators * plan.crops)
    if mode < 0.6:
        return [process for _ in range(plan.generators) for process in [one()] * plan.crops]
    return [one() for _ in range(plan.generators * plan.crops)]


def _crop(
    image: np.ndarray, side: int, process: Process, random: np.random.Generator
) -> np.ndarray:
    outer = side + MARGIN
    best, contrast = image[:outer, :outer], -1.0
    for _ in range(TRIES):
        y, x = (
            random.integers(image.shape[0] - outer + 1),
            random.integers(image.shape[1] - outer + 1),
        )
        patch = image[y : y + outer, x : x + outer]
        spread = float(np.count_nonzero(patch[::4, ::4]) + patch[::4, ::4].std())
        if spread > contrast:
            best, contrast = patch, spread
    y, x = random.integers(MARGIN + 1, size=2)
    return process(best, random)[y : y + side, x : x + side]


def draw_batch(
    worlds: list[World], plan: BatchPlan, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A batch.

    Returns:
        pixels: `[B, side, side, 1]` float32. labels: `[B]` int32.
    """
    side = int(random.choice(plan.sides))
    processes = iter(_processes(plan, random))
    shared: dict[tuple, np.ndarray] = {}
    crops = []
    for world, row, family in _chosen(worlds, plan, random):
        pictures = random.permutation(world.images.shape[1])[: plan.crops]
        pictures = shared.setdefault(family, pictures) if random.random() < 0.5 else pictures
        for picture in pictures:
            crops.append(_crop(world.images[row, picture], side, next(processes), random))
    pixels = np.stack(crops).astype(np.float32)
    pixels = pixels[:, :: random.choice((-1, 1)), :: random.choice((-1, 1))]
    if random.random() < 0.5:
        pixels = pixels.transpose(0, 2, 1)
    labels = np.repeat(np.arange(plan.generators, dtype=np.int32), plan.crops)
    return np.ascontiguousarray(pixels)[..., None], labels
