"""`ganamis attribute`, whole processes, with the shipped model and with labelled development.

Run `python benchmarks/attribute_speed.py --images 3000 10000 30000 [--beside COMMIT]`. Images of
256x256 are simulated: four generators that filter noise each in their own way, further images
being shifts of the first. COMMIT, another version of this repository, attributes the same images.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from references import SIDE, ceiling, prnu, vgg19
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_info

from ganamis.clustering.open_world import small_matrices
from ganamis.data.images import read_gray
from ganamis.extractors.fusion import Fusion
from ganamis.model.embedding import embed_images
from ganamis.model.shipped import load_shipped

ROOT = Path(__file__).resolve().parent.parent
GENERATORS, TAUGHT = 4, 180  # three of the generators have development images
DRAWN = 400  # images drawn; further ones are these, shifted
LEAST, PROFILED, NETWORK = 1000, 192, 48  # images that time references, parts and VGG19


def draw(index: int, label: int) -> np.ndarray:
    """One image `[256, 256]` uint8 of one of four simulated generators."""
    random = np.random.default_rng(index)
    noise = random.normal(size=(SIDE, SIDE)).astype(np.float32)
    texture = gaussian_filter(noise, 0.5 + 0.15 * label)
    content = gaussian_filter(noise[::-1], 12)
    return np.clip(128 + 300 * content + 8 * texture / texture.std(), 0, 255).astype(np.uint8)


def write_asked(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    drawn = [draw(TAUGHT + index, index % GENERATORS) for index in range(min(DRAWN, count))]

    def save(number: int) -> None:
        turn, place = divmod(number, len(drawn))
        pixels = np.roll(drawn[place], (13 * turn, 29 * turn), (0, 1))
        Image.fromarray(pixels).save(folder / f"{number:06d}.png")

    with ThreadPoolExecutor() as pool:
        list(pool.map(save, range(count)))


def write_taught(root: Path) -> None:
    for index in range(TAUGHT):
        label = index % (GENERATORS - 1)
        folder = root / "development" / f"model-{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(index, label)).save(folder / f"{index:05d}.png")


@dataclass(frozen=True)
class Cost:
    """Of one process. seconds: by the clock. cpu: seconds. memory: MiB held at most."""

    seconds: float
    cpu: float
    memory: float


def attribute(folder: Path, version: Path) -> Cost:
    """`ganamis attribute` of the version of this repository that lies in `version`."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "ganamis", "attribute", str(folder)]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--out", f"{out}/clusters.csv"],
            env={**os.environ, "PYTHONPATH": str(version / "src")},
            cwd=version,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "attribute failed"
    seconds = time.perf_counter() - start
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def show(title: str, count: int, cost: Cost, least: float) -> None:
    print(
        f"{title:<34} {count:7,} images {cost.seconds:7.1f} s {cost.cpu:7.1f} s of CPU "
        f"{cost.memory:6.0f} MiB {count / cost.seconds:6.0f} images/s, "
        f"{count / cost.seconds / least:.2f} of the ceiling",
        flush=True,
    )


def show_parts(images: np.ndarray) -> None:
    """Milliseconds of CPU of each part of the shipped model for an image, and of the whole."""
    model = load_shipped()
    assert isinstance(model.extractor, Fusion)
    embed_images(model, images[:32])
    for part in model.extractor.parts:
        title = type(getattr(part, "part", part)).__name__
        start = time.process_time()
        with small_matrices():
            for place in range(0, len(images), 32):
                part.embed(images[place : place + 32])
        print(f"  {title}: {1000 * (time.process_time() - start) / len(images):.2f} ms of CPU")
    start = time.process_time()
    embed_images(model, images)
    print(f"  all: {1000 * (time.process_time() - start) / len(images):.2f} ms of CPU an image")


def show_beside(commit: str, folder: Path, count: int, ours: Cost, least: float) -> None:
    """Another version, checked out beside this one for as long as it takes."""
    with tempfile.TemporaryDirectory() as scratch:
        other = f"{scratch}/other"
        worktree = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*worktree, "add", "--detach", other, commit], check=True)
        try:
            theirs = attribute(folder, Path(other))
        finally:
            subprocess.run([*worktree, "remove", "--force", other], check=True)
    show(f"labelled, {commit}", count, theirs, least)
    shares = ours.seconds / theirs.seconds, ours.cpu / theirs.cpu
    print(f"  ours takes {shares[0]:.2f} of its time, {shares[1]:.2f} of CPU")


def show_sizes(root: Path, counts: list[int], least: float) -> Cost:
    """The shipped model on folders of so many images; what the first of them takes."""
    costs = []
    for count in counts:
        costs.append(attribute(root / str(count), ROOT))
        show("shipped model", count, costs[-1], least)
    for cost in costs[1:]:
        times = cost.seconds / costs[0].seconds, cost.cpu / costs[0].cpu
        print(f"  growth from {counts[0]:,}: {times[0]:.1f} times, of CPU {times[1]:.1f}")
    return costs[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[3000])
    parser.add_argument("--beside", help="A commit of this repository.")
    given = parser.parse_args()
    first = given.images[0]
    kernels = sorted({str(each.get("architecture")) for each in threadpool_info()} - {"None"})
    print(f"load {os.getloadavg()[0]:.1f}; linear algebra by the kernels {', '.join(kernels)}")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for count in given.images:
            write_asked(root / str(count), count)
        paths = sorted((root / str(first)).iterdir())[:LEAST]
        images = np.stack([read_gray(path, size=SIDE)[0] for path in paths[:PROFILED]])
        least = ceiling(paths)
        print(f"ceiling, decoding and one spectrum on all cores: {least:.0f} images/s")
        show_parts(images)
        ours = show_sizes(root, given.images, least)
        residual, pair = prnu(paths)
        seconds = residual * first + pair * first**2
        print(f"PRNU: {seconds:.1f} s for {first:,}, {seconds / ours.seconds:.2f} times ours")
        write_taught(root / "labelled")
        (root / str(first)).rename(root / "labelled" / "test")
        labelled = attribute(root / "labelled", ROOT)
        show("labelled development", first, labelled, least)
        if given.beside:
            show_beside(given.beside, root / "labelled", first, labelled, least)
    seconds = first / vgg19(images[:NETWORK])
    print(
        f"VGG19's features: {seconds:.0f} s for {first:,}, {seconds / ours.seconds:.1f} times ours"
    )
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
