"""Many images attributed together with Spark: time, memory, and `attribute`'s answer beside it.

Run `python benchmarks/spark_scale.py 1000 10000 50000 --compared 1000 10000` in a folder with the
default data set (`ganamis sample`). Whole processes are timed, start-up included. Images are the
data set's test images, shifted cyclically so that no two are alike.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import adjusted_rand_score

MASTER = "local[2]"
TICK = 0.2  # seconds between looks at the memory of processes
DRIVER, WORKERS, JAVA = "driver", "workers", "Java"


def write(folder: Path, source: Path, count: int) -> None:
    """`count` images: each source image under one cyclic shift after the other."""
    folder.mkdir(parents=True)
    sources = [np.asarray(Image.open(path)) for path in sorted(source.glob("*.png"))]
    for number in range(count):
        turn, place = divmod(number, len(sources))
        pixels = np.roll(sources[place], (13 * turn, 29 * turn), (0, 1))
        Image.fromarray(pixels).save(folder / f"{number:06d}.png", compress_level=1)


def resident(process: int) -> dict[int, int]:
    """Bytes in memory of a process and of all below it (Linux)."""
    found: dict[int, int] = {}
    todo = [process]
    while todo:
        one = todo.pop()
        try:
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
            tasks = [task / "children" for task in Path(f"/proc/{one}/task").iterdir()]
            todo += [int(child) for task in tasks for child in task.read_text().split()]
        except (OSError, IndexError):
            continue  # it has ended
        found[one] = pages * os.sysconf("SC_PAGE_SIZE")
    return found


def kind(process: int, driver: int) -> str:
    if process == driver:
        return DRIVER
    try:
        return JAVA if "java" in Path(f"/proc/{process}/comm").read_text() else WORKERS
    except OSError:
        return WORKERS


def measured(*arguments: str) -> tuple[float, dict[str, int]]:
    """Seconds that one whole command takes, and the most bytes its kinds of processes hold."""
    most = dict.fromkeys((DRIVER, WORKERS, JAVA), 0)
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "ganamis", *arguments])
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(TICK):
            now = dict.fromkeys(most, 0)
            for one, size in resident(process.pid).items():
                now[kind(one, process.pid)] += size
            for name, size in now.items():
                most[name] = max(most[name], size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - start
    ended.set()
    watcher.join()
    if code:
        raise SystemExit(f"{arguments[0]} failed with status {code}")
    return seconds, most


def tell(what: str, seconds: float, most: dict[str, int]) -> None:
    sizes = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in most.items() if size)
    print(f"{what}: {seconds:.1f} s; {sizes}", flush=True)


def compare(plain: pd.DataFrame, spark: pd.DataFrame) -> None:
    """Print how far two answers to the same images agree."""
    both = plain.merge(spark, on="image", suffixes=("_plain", "_spark"), validate="one_to_one")
    assert len(both) == len(plain) == len(spark)
    ari = adjusted_rand_score(both["cluster_plain"], both["cluster_spark"])
    names = (both["generator_plain"] != both["generator_spark"]).sum()
    score = (both["score_plain"] - both["score_spark"]).abs().max()
    print(f"  ARI between them {ari:.4f}; {names} names and scores up to {score:.2g} differ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--compared", type=int, nargs="*", default=[])
    parser.add_argument("--source", type=Path, default=Path("data/zoo/test"))
    given = parser.parse_args()
    for count in given.counts:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "images"
            write(folder, given.source, count)
            out = Path(scratch) / "attributed.parquet"
            options = ("--out", str(out), "--master", MASTER)
            tell(
                f"{count} images, Spark {MASTER}",
                *measured("attribute-batch", str(folder), *options),
            )
            if count in given.compared:
                csv = Path(scratch) / "plain.csv"
                tell("  `attribute`", *measured("attribute", str(folder), "--out", str(csv)))
                compare(pd.read_csv(csv), pd.read_parquet(out))


if __name__ == "__main__":
    main()
