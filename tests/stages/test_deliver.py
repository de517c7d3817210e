"""What a run in MLflow's passing clone wrote comes to where it was started."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganamis.stages.deliver import caller_folder

# What `mlflow run` does: `bash -c` in the clone, with the run's id.
LAUNCHER = """
import os, subprocess, sys
clone, python = sys.argv[1:]
command = f"{python} -m ganamis deliver; exit $?"
variables = os.environ | {"MLFLOW_RUN_ID": "0" * 32}
sys.exit(subprocess.run(["bash", "-c", command], cwd=clone, env=variables).returncode)
"""


@pytest.fixture
def clone() -> Iterator[Path]:
    """Directly below the system's temporary folder, as MLflow makes it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "results" / "report").mkdir(parents=True)
        (Path(folder) / "results" / "report" / "report.html").write_text("found")
        (Path(folder) / "dvc.lock").write_text("stages: {}")
        yield Path(folder)


def started(clone: Path, caller: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCHER, str(clone), sys.executable],
        cwd=caller,
        capture_output=True,
        text=True,
        check=False,
    )


def test_results_land_where_the_caller_is_and_it_says_where(clone: Path, tmp_path: Path) -> None:
    done = started(clone, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "report" / "report.html").read_text() == "found"
    assert (tmp_path / "dvc.lock").exists()
    assert f"Results: '{tmp_path / 'results'}'" in done.stdout


def test_other_results_are_left_alone_and_the_place_of_these_is_named(
    clone: Path, tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    done = started(clone, tmp_path)
    assert done.returncode == 2
    assert str(clone / "results") in done.stderr and not any((tmp_path / "results").iterdir())


def test_a_lasting_folder_keeps_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert caller_folder() is None
