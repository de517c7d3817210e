"""Draws whole worlds of simulated generators; see `world.py` for what they hold."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ganamis.files import write_json
from ganamis.simulation.generators import KEPT_OUT, KINDS, Generator, draw_family
from ganamis.simulation.phantoms import SIDE

SHARED_CONTENT = 0.5  # of families whose members draw the same content
LARGEST_FAMILY = 8
DULL = 0.5  # least correlation of a drawing with its content; below, training failed


def generators(count: int, *, bank: np.ndarray, seed: int, kept_out: bool) -> Iterator[Generator]:
    """Draw `count` generators, in families of one to eight.

    Args:
        bank: content `[N, 256, 256]` float16, that networks are trained on.
        kept_out: add the kinds that no training world has, a quarter of all families.
    """
    shares = {k: 0.75 * s for k, s in KINDS.items()} if kept_out else KINDS
    shares = {**shares, **{k: 0.25 * s for k, s in KEPT_OUT.items()}} if kept_out else shares
    random = np.random.default_rng((seed, 2))
    drawn, number = 0, 0
    while drawn < count:
        kind = str(random.choice(list(shares), p=np.array(list(shares.values()))))
        members = 1 if random.random() < 0.3 else int(random.integers(2, LARGEST_FAMILY + 1))
        family = draw_family(number, kind, members=members, bank=bank, seed=seed)
        for generator in family:
            yield generator
            drawn += 1
            if drawn == count:
                return
        number += 1


def _alive(images: np.ndarray, content: np.ndarray) -> bool:
    drawn = images[:, ::8, ::8].astype(np.float64).ravel()
    return bool(drawn.std() > 1 and np.corrcoef(drawn, content[:, ::8, ::8].ravel())[0, 1] > DULL)


def draw_world(
    folder: Path, *, count: int, images: int, bank: np.ndarray, seed: int, kept_out: bool = False
) -> None:
    """Draw a world into `folder`: `images.npy`, `content.npy` and, last of all, `world.json`.

    Args:
        count: generators. images: of each. bank: content `[N, 256, 256]` float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (count, images, SIDE, SIDE)
    drawn = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    content = np.zeros((count, images), np.int32)
    families, kinds = [], []
    place = 0
    for generator in generators(2 * count, bank=bank, seed=seed, kept_out=kept_out):
        shared = np.random.default_rng((seed, generator.family, 5)).random() < SHARED_CONTENT
        key = (seed, generator.family, 6) if shared else (seed, place, 7)
        rows = np.random.default_rng(key).permutation(len(bank))[:images]
        pictures = generator.draw(bank[rows], seed=seed + place)
        if not _alive(pictures, bank[rows]):
            continue
        drawn[place], content[place] = pictures, rows
        families.append(generator.family)
        kinds.append(generator.architecture.kind)
        place += 1
        if place % 20 == 0 or place == count:
            drawn.flush()
            np.save(folder / "content.npy", content)
            write_json(
                folder / "world.json", {"generators": place, "families": families, "kinds": kinds}
            )
        if place == count:
            return
