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
import time
from dataclasses import dataclass, field
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


@dataclass
class Cost:
    """What one command took.

    seconds: by the clock. cpu: seconds of CPU by process id. most: bytes held at once by kind of
    process.
    """

    seconds: float = 0.0
    cpu: dict[int, float] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)

    def look(self, driver: int) -> None:
        """Look at a process and all below it (Linux)."""
        now: dict[str, int] = {}
        todo = [driver]
        while todo:
            one = todo.pop()
            place = Path(f"/proc/{one}")
            try:
                pages = int((place / "statm").read_text().split()[1])
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                java = "java" in (place / "comm").read_text()
                tasks = [(task / "children").read_text() for task in (place / "task").iterdir()]
            except (OSError, IndexError):
                continue  # it has ended
            todo += [int(child) for children in tasks for child in children.split()]
            self.cpu[one] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            kind = DRIVER if one == driver else JAVA if java else WORKERS
            now[kind] = now.get(kind, 0) + pages * os.sysconf("SC_PAGE_SIZE")
        for kind, size in now.items():
            self.most[kind] = max(size, self.most.get(kind, 0))

    def __str__(self) -> str:
        sizes = ", ".join(f"{kind} {size / 2**20:.0f} MiB" for kind, size in self.most.items())
        return f"{self.seconds:.1f} s, {sum(self.cpu.values()):.1f} s of CPU; at most {sizes}"


def measured(*arguments: str) -> Cost:
    """What one whole command takes."""
    cost, start = Cost(), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "ganamis", *arguments])
    while process.poll() is None:
        cost.look(process.pid)
        time.sleep(TICK)
    cost.seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{arguments[0]} failed with status {process.returncode}")
    return cost


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
            cost = measured("attribute-batch", str(folder), *options)
            print(f"{count} images, Spark {MASTER}: {cost}", flush=True)
            if count in given.compared:
                csv = Path(scratch) / "plain.csv"
                print(f"  attribute: {measured('attribute', str(folder), '--out', str(csv))}")
                compare(pd.read_csv(csv), pd.read_parquet(out))


if __name__ == "__main__":
    main()
