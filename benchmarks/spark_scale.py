"""Attributing with Spark beside the plain command: the same answers, and what they cost.

Run `python benchmarks/spark_scale.py 1000 5000 10000` in a folder with params.yaml, the default
data set (`ganamis sample`) and a champion. Whole processes are timed, start-up included. Images
are the data set's test images, shifted cyclically so that no two are alike.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ganamis.params import load_params
from ganamis.registry.versions import load_model
from ganamis.tracking.runs import connect

MODEL, MASTER = "models:/ganamis@champion", "local[2]"
COMPARED = 5000  # images that the plain command attributes as well
BATCH = 256


def shifted(images: list[Path], count: int) -> Iterator[tuple[str, Image.Image]]:
    """`count` names and images: each source image under one cyclic shift after the other."""
    for number in range(count):
        pixels = np.asarray(Image.open(images[number % len(images)]))
        turn = number // len(images)
        yield f"{number:06d}.png", Image.fromarray(np.roll(pixels, (13 * turn, 29 * turn), (0, 1)))


def write(root: Path, data: Path, count: int) -> Path:
    """A folder in the ImageCLEF layout with `count` test images."""
    (root / "test").mkdir(parents=True)
    shutil.copytree(data / "development", root / "development")
    for name, image in shifted(sorted((data / "test").glob("*.png")), count):
        image.save(root / "test" / name)
    return root


def ganamis(*arguments: str) -> float:
    """Seconds that one whole command takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ganamis", *arguments], check=True)
    return time.perf_counter() - start


def exact(folder: Path) -> pd.DataFrame:
    """What the plain command computes, before it rounds scores for its CSV file."""
    connect()
    model = load_model(MODEL)
    paths = sorted(folder.glob("*.png"))
    tables = [
        model.predict(pd.DataFrame({"image": [path.read_bytes() for path in paths[i : i + BATCH]]}))
        for i in range(0, len(paths), BATCH)
    ]
    return pd.concat(tables, ignore_index=True).assign(image=[path.name for path in paths])


def compare(plain: pd.DataFrame, spark: pd.DataFrame) -> None:
    """Print how often, and by how much, two answers to the same images differ."""
    both = plain.merge(spark, on="image", suffixes=("_plain", "_spark"), validate="one_to_one")
    assert len(both) == len(plain) == len(spark)
    for column in ("cluster", "generator"):
        other = (both[f"{column}_plain"] != both[f"{column}_spark"]).sum()
        print(f"  {column}: {other} of {len(both)} differ")
    difference = (both["score_plain"] - both["score_spark"]).abs().max()
    print(f"  score: largest difference {difference:.2g}")


def main() -> None:
    counts = [int(count) for count in sys.argv[1:]]
    data = Path(load_params().data.root)
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            folder = write(Path(scratch) / str(count), data, count)
            test, out = folder / "test", folder / "attributed.parquet"
            options = ("--out", str(out), "--model", MODEL, "--master", MASTER)
            seconds[count] = ganamis("attribute-batch", str(test), *options)
            print(f"{count} images, Spark {MASTER}: {seconds[count]:.1f} s", flush=True)
            if count == COMPARED:
                csv = folder / "plain.csv"
                plain = ganamis("attribute", str(folder), "--out", str(csv), "--model", MODEL)
                print(f"{count} images, plain command: {plain:.1f} s; ", end="")
                print(f"Spark takes {seconds[count] / plain:.2f} times as long")
                spark = pd.read_parquet(out)
                print("the plain command's file (scores rounded to 4 decimals):")
                compare(pd.read_csv(csv), spark)
                print("the plain command's model, unrounded:")
                compare(exact(test), spark)
    small, large = min(counts), max(counts)
    if small < large:
        growth = (seconds[large] - seconds[small]) / (large - small)
        ratio = seconds[large] / seconds[small]
        print(f"from {small} to {large} images: {ratio:.2f} times as long; ", end="")
        print(f"{1000 * growth:.2f} ms for each further image")


if __name__ == "__main__":
    main()
