"""Bring the stages `train@...` up to date, two at a time, each on its share of the cores.

usage: python side_by_side.py

DVC runs the stages of one pipeline one after the other; several `dvc repro` at once are its way to
run them side by side, and each holds its lock only between commands. A network's training leaves
two cores idle for a third of the time, two trainings of one thread each do not.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

TOGETHER = 2  # each takes up to 3 GB of memory
LIMITS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
DVC = ("dvc", "--wait-for-lock")


def changed() -> list[str]:
    """The training stages that are not up to date, in the pipeline's order."""
    status = json.loads(subprocess.check_output([*DVC, "status", "--json"], text=True))
    return [name for name in status if name.startswith("train@")]


def bring_up_to_date(stage: str, *, threads: int) -> int:
    """Run one stage, its name before every line; the exit status."""
    limits = {name: os.environ.get(name, str(threads)) for name in LIMITS}
    process = subprocess.Popen(
        [*DVC, "repro", "--single-item", stage],
        env=os.environ | limits,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            # With its end in one write: two trainings' lines would run together otherwise.
            print(f"{stage.removeprefix('train@')}: {line.rstrip()}\n", end="", flush=True)
    return process.wait()


def main() -> int:
    """0 if every stage ended well."""
    stages = changed()
    if not stages:
        return 0
    cores = len(os.sched_getaffinity(0))
    # The first one makes the tracking store, which two at once would make twice.
    ended = [bring_up_to_date(stages[0], threads=cores)]
    alone = partial(bring_up_to_date, threads=max(1, cores // TOGETHER))
    if not any(ended):
        with ThreadPoolExecutor(min(TOGETHER, cores)) as pool:
            ended += pool.map(alone, stages[1:])
    failed = [stage for stage, status in zip(stages, ended, strict=False) if status]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
