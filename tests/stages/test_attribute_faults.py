"""`attribute` killed, and on a full disk: what stood there before stands there still."""

import os
import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tests.model.simulated import write_images

BEFORE = "the answer of last week\n"
PRINTS = """
import ganamis.__main__ as command
command.app = lambda: print("gr\\xfcn, caf\\udce9")
command.main()
"""


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    for generator in (0, 3):
        write_images(tmp_path / "images", generator, 20, 4)
    (tmp_path / "out.csv").write_text(BEFORE)
    (tmp_path / "page.html").write_text(BEFORE)
    return tmp_path


def start(folder: Path, **options: object) -> subprocess.Popen[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    command = [sys.executable, "-m", "ganamis", "attribute", "images", "--out", "out.csv"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=clean,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_terminal_without_the_letters_of_a_name() -> None:
    """As on a system whose text is not UTF-8, or of a file whose name is not."""
    said = subprocess.run(
        [sys.executable, "-c", PRINTS],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    ).stdout
    assert b"gr\\xfcn" in said and b"caf\\udce9" in said


def test_a_kill_leaves_the_old_answer_and_no_litter(workplace: Path) -> None:
    process = start(workplace)
    assert process.stdout is not None
    assert "Answering with" in process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (workplace / "out.csv").read_text() == BEFORE
    assert names(workplace) == ["images", "out.csv", "page.html"]
    process = start(workplace)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert len(pd.read_csv(workplace / "out.csv")) == 40


def test_a_full_disk_leaves_the_old_answer_and_is_told(workplace: Path) -> None:
    # A limit on the size of any file, in place of a disk that only root can make so small.
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (500, 500))
    process = start(workplace, preexec_fn=limit)
    _, said = process.communicate()
    assert process.returncode == 2, said
    assert said.startswith("ganamis: the disk is full") and "make room" in said
    assert "Traceback" not in said
    assert (workplace / "out.csv").read_text() == BEFORE
    assert names(workplace) == ["images", "out.csv", "page.html"]
