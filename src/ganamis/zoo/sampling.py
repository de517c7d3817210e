"""Drawing images from the shipped generators, and writing the default data set."""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganamis.files import whole_folder
from ganamis.zoo.anatomy import sample_codes
from ganamis.zoo.generators import GENERATORS, generator
from ganamis.zoo.geometry import CODE_SIZE, SCALE
from ganamis.zoo.weights import load_weights, shipped

BATCH = 6
"""Images are always drawn so many at a time, the last batch padded: a network's output may differ
in the last bit between batch sizes, and the bytes of an image must not depend on the count."""

LEAST_TISSUE = 0.012
"""Cells of a code below this are air."""


@lru_cache(maxsize=8)
def _network(name: str, weights: Path) -> Any:
    """The generator as a compiled function of fixed shapes, its weights loaded."""
    import tensorflow as tf

    spec = generator(name)
    network = spec.build()
    code = tf.TensorSpec((BATCH, CODE_SIZE, CODE_SIZE, 1))
    noise = tf.TensorSpec((BATCH, CODE_SIZE, CODE_SIZE, spec.noise_channels))
    network((tf.zeros((1, 4, 4, 1)), tf.zeros((1, 4, 4, spec.noise_channels))))
    load_weights(weights, network)
    return tf.function(lambda c, n: network((c, n)), input_signature=[code, noise])


def render(
    name: str, codes: NDArray[np.float32], *, seed: int, weights: Path | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Draw one image for each code.

    The noise of image `i` depends on the generator's seed, `seed`, and `i` only.

    Args:
        name: Generator.
        codes: `[N, 32, 32]` float32 in [0, 1].
        seed: Of the noise.
        weights: Weights file; None takes the shipped one.

    Yields:
        Images, `[256, 256]` uint8, in the order of the codes.

    Raises:
        ValueError: Unknown generator, or weights that do not fit it.
    """
    spec = generator(name)
    network = _network(name, weights or shipped(name))
    shape = (CODE_SIZE, CODE_SIZE, spec.noise_channels)
    for start in range(0, len(codes), BATCH):
        part = codes[start : start + BATCH]
        padded = np.zeros((BATCH, CODE_SIZE, CODE_SIZE, 1), np.float32)
        padded[: len(part), ..., 0] = part
        noise = np.stack(
            [
                np.random.default_rng((seed, spec.seed, i)).standard_normal(shape, np.float32)
                for i in range(start, start + BATCH)
            ]
        )
        drawn = np.asarray(network(padded, noise))[: len(part), ..., 0]
        # A cell whose code is air holds air: the correction rings there, for every generator alike.
        tissue = np.kron(part >= LEAST_TISSUE, np.ones((1, SCALE, SCALE)))
        yield from np.round(np.clip(drawn, 0.0, 1.0) * tissue * 255).astype(np.uint8)


def sample_images(name: str, count: int, *, seed: int) -> NDArray[np.uint8]:
    """Draw images from one generator.

    Args:
        name: One of `generators.GENERATORS`.
        count: How many, at least 1.
        seed: Same seed, same bytes; the first images do not depend on `count` beyond the
            choice of codes.

    Returns:
        images: `[count, 256, 256]` uint8.

    Raises:
        ValueError: Unknown generator (the message lists the valid ones), or no images asked for.
    """
    generator(name)
    return np.stack(list(render(name, sample_codes(count, seed=seed), seed=seed)))


@dataclass(frozen=True)
class Order:
    """Images one generator owes one split.

    Attributes:
        name: Generator.
        split: `development` or `test`.
        seed: Of the noise.
        codes: `[N, 32, 32]` float32 in [0, 1].
    """

    name: str
    split: str
    seed: int
    codes: NDArray[np.float32]


def write_dataset(
    root: Path, *, development: dict[str, int], test: dict[str, int], seed: int
) -> dict[str, Any]:
    """Write a labelled development set and a shuffled test set, all or nothing.

    The layout is ImageCLEF's: `development/<generator>/NNNN.png`, `test/NNNN.png`, and
    `test_labels.csv` (columns `image`, `model`). No two images are drawn from one code.

    Args:
        root: Folder to make; an existing one is replaced at the very end.
        development: Images of each generator in the development set.
        test: Images of each generator in the test set.
        seed: Same seed, same bytes.

    Returns:
        `images`: how many were written; `seconds`: how long it took; `images_per_second`: of each
        generator.

    Raises:
        ValueError: Unknown generator, a count below 1, or an empty split.
    """
    _check(development, test)
    orders = deal_codes(development, test, seed=seed)
    with whole_folder(Path(root)) as folder:
        return _fill(folder, orders, seed=seed)


def _check(development: dict[str, int], test: dict[str, int]) -> None:
    for split, counts in (("development", development), ("test", test)):
        if not counts:
            valid = ", ".join(GENERATORS)
            raise ValueError(f"{split}: name at least one generator; choose from: {valid}")
        for name, count in counts.items():
            generator(name)
            if count < 1:
                raise ValueError(f"{split}: {name} needs at least 1 image, got {count}")


def deal_codes(development: dict[str, int], test: dict[str, int], *, seed: int) -> list[Order]:
    """Deal one draw of codes out to everybody, so that nobody's content is special.

    The codes are laid out by their two first principal components and dealt from there in
    rounds, so that every order gets its share of each kind: chance leaves small sets uneven.
    """
    asked = [("development", *item) for item in development.items()]
    asked += [("test", *item) for item in test.items()]
    counts = np.array([count for *_, count in asked])
    codes = sample_codes(int(counts.sum()), seed=seed)
    # Each order's cards lie evenly over the row, from a random start within its first interval.
    starts = np.random.default_rng((seed, 2)).random(len(asked))
    places = [(np.arange(n) + start) / n for n, start in zip(counts, starts, strict=True)]
    takers = np.repeat(np.arange(len(asked)), counts)[np.argsort(np.concatenate(places))]
    row = _row_by_likeness(codes, group=8 * len(asked))
    return [
        Order(name, split, seed * 1000 + place, codes[np.sort(row[takers == place])])
        for place, (split, name, _) in enumerate(asked)
    ]


def _row_by_likeness(codes: NDArray[np.float32], *, group: int) -> NDArray[np.intp]:
    """Order by the first principal component; in groups of so many, by the second. `[N]`."""
    flat = codes.reshape(len(codes), -1).astype(np.float64)
    flat -= flat.mean(0)
    _, directions = np.linalg.eigh(flat.T @ flat)
    second, first = (flat @ directions[:, -2:]).T
    stratum = np.empty(len(codes), np.intp)
    stratum[np.argsort(first)] = np.arange(len(codes)) // group
    return np.lexsort((second, stratum))


def shuffled_numbers(count: int, *, seed: int) -> list[int]:
    """File numbers of the test images, so that their order says nothing of the generator."""
    return [int(number) for number in np.random.default_rng((seed, 1)).permutation(count)]


def _fill(folder: Path, orders: list[Order], *, seed: int) -> dict[str, Any]:
    from PIL import Image

    total = sum(len(order.codes) for order in orders)
    tests = sum(len(order.codes) for order in orders if order.split == "test")
    numbers = iter(shuffled_numbers(tests, seed=seed))
    labels: list[tuple[str, str]] = []
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    started = time.perf_counter()
    with _progress() as progress:
        task = progress.add_task("sampling", total=total)
        for order in orders:
            progress.update(task, description=f"{order.split}: {order.name}")
            begun = time.perf_counter()
            for i, image in enumerate(render(order.name, order.codes, seed=order.seed)):
                if order.split == "test":
                    path = folder / "test" / f"{next(numbers):04d}.png"
                    labels.append((path.name, order.name))
                else:
                    path = folder / order.split / order.name / f"{i:04d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path, compress_level=3)
                progress.advance(task)
            spent = time.perf_counter() - begun
            seconds[order.name] = seconds.get(order.name, 0.0) + spent
            counts[order.name] = counts.get(order.name, 0) + len(order.codes)
    with (folder / "test_labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "model"))
        writer.writerows(sorted(labels))
    return {
        "images": total,
        "seconds": round(time.perf_counter() - started, 2),
        "images_per_second": {name: round(counts[name] / seconds[name], 2) for name in counts},
    }


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=Console(stderr=True, markup=False),
    )
