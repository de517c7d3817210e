"""What is done to the pipeline to lose something: `python -m tests.faults FOLDER`.

FOLDER lies on a small file system of its own, which is filled up (as root: `mount -t tmpfs -o
size=768m tmpfs FOLDER`; one checkpoint takes 172 MB). Each stage is killed at three moments and run
on the full disk; then it is run again. In the end all must be as in a project that nothing was done
to.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.test_pipeline import ROOT, tiny_params, write_data

STAGES = ("ingest", "train@spectrum", "train@custom_cnn_paper", "cluster", "select", "register")
STAGES += ("promote", "report")
MOMENTS = (0.5, 0.8, 0.95)  # of what a stage takes undisturbed
LEFT = 24 * 1024  # bytes free on the full disk
COMPARED = ("*.npz", "*.csv", "selection.json", "decision.json")
UNEQUAL = {"trials.csv"}  # holds durations


def environment() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return clean | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def start(folder: Path, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *command: str) -> tuple[int, str]:
    process = start(folder, *command)
    said, _ = process.communicate()
    return process.returncode, said


def must(folder: Path, *command: str) -> None:
    status, said = run(folder, *command)
    assert status == 0, said


def make_project(folder: Path) -> None:
    params = tiny_params()
    params["architectures"] = ["spectrum", "custom_cnn_paper"]
    params["profiles"]["two_cores"]["search"] |= {"trials": 1}
    folder.mkdir(parents=True)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    write_data(folder / "source", per_generator=8)
    must(folder, "git", "init", "-q")
    must(folder, "dvc", "init", "-q")
    must(folder, sys.executable, "-m", "ganamis", "import", "source")


def repro(stage: str) -> tuple[str, ...]:
    return "dvc", "repro", "--single-item", stage


def kill(folder: Path, stage: str, after: float) -> str:
    """What the stage had said when it and its children died."""
    process = start(folder, *repro(stage))
    try:
        process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return "ended before" if process.returncode == 0 else "killed"


def fill(folder: Path) -> Path:
    """Take all of the disk but `LEFT` bytes."""
    ballast = folder / ".ballast"
    with ballast.open("wb") as stream:
        stream.write(bytes(shutil.disk_usage(folder).free - LEFT))
    return ballast


def on_full_disk(folder: Path, stage: str) -> str:
    ballast = fill(folder)
    try:
        status, said = run(folder, *repro(stage))
    finally:
        ballast.unlink()
    lines = [line for line in said.splitlines() if line.startswith(("ganamis:", "ERROR"))]
    told = lines[0][:150] if lines else ""
    return f"exit {status}{', TRACEBACK' if 'Traceback' in said else ''}: {told}"


def differences(disturbed: Path, undisturbed: Path) -> list[str]:
    found = []
    for pattern in COMPARED:
        for path in sorted((undisturbed / "results").rglob(pattern)):
            relative = path.relative_to(undisturbed)
            same = disturbed / relative
            if path.name in UNEQUAL or (same.exists() and same.read_bytes() == path.read_bytes()):
                continue
            found.append(str(relative))
    return found


def hidden(folder: Path) -> set[str]:
    kept = [folder / "results", folder / "work", folder / "data"]
    return {str(p.relative_to(folder)) for k in kept for p in k.rglob(".*") if p.name[1:2]}


def left_over(disturbed: Path, undisturbed: Path) -> list[str]:
    """Temporary files that no result needs: hidden ones that the undisturbed project lacks."""
    return sorted(hidden(disturbed) - hidden(undisturbed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("reference", type=Path, help="Where the undisturbed project is made.")
    given = parser.parse_args()
    undisturbed, disturbed = given.reference / "undisturbed", given.folder / "disturbed"
    make_project(undisturbed)
    shutil.copytree(undisturbed, disturbed, symlinks=True)
    for stage in STAGES:
        begun = time.perf_counter()
        must(undisturbed, *repro(stage))
        whole = time.perf_counter() - begun
        said = [on_full_disk(disturbed, stage)]
        said += [f"{m:.0%} {kill(disturbed, stage, m * whole)}" for m in MOMENTS]
        status, again = run(disturbed, *repro(stage))
        print(f"{stage} ({whole:.0f} s): {'; '.join(said)}; again: exit {status}", flush=True)
        assert status == 0, again
    print("different from the undisturbed project:", differences(disturbed, undisturbed) or "none")
    print("left over:", left_over(disturbed, undisturbed) or "nothing")


if __name__ == "__main__":
    main()
