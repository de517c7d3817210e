"""Set-up in a folder that was moved, and two makes at once."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import LONGEST, together

ROOT = Path(__file__).parent.parent
NEEDED = ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml")


def planned(folder: Path) -> str:
    """What `make setup` would run."""
    command = ["make", "-n", "setup-alone"]
    outer = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")  # these tests may themselves be run by make
    clean = {key: value for key, value in os.environ.items() if key not in outer}
    return subprocess.check_output(
        command, cwd=folder, text=True, stderr=subprocess.STDOUT, env=clean
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_an_environment_that_was_moved_is_made_anew(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second place"
    (first / ".venv").mkdir(parents=True)
    for name in NEEDED:
        shutil.copy(ROOT / name, first)
    made = f"command = /usr/bin/python3 -m venv --clear {first}/.venv\n"
    (first / ".venv" / "pyvenv.cfg").write_text(made)
    (first / ".venv" / "installed").touch()
    assert "Nothing to be done" in planned(first)
    first.rename(second)
    assert planned(second).startswith("rm -rf .venv\npython3 -m venv .venv\n")


def test_a_second_make_waits_and_is_told(tmp_path: Path) -> None:
    alone = [sys.executable, str(ROOT / ".ci" / "alone.py"), sys.executable, "-c"]
    write = "open('log', 'a').write('{0} begins; '); {1}; open('log', 'a').write('{0} ends; ')"
    held = "import time\nwhile not __import__('os').path.exists('go'): time.sleep(0.02)"
    first = subprocess.Popen([*alone, f"{held}\n" + write.format("one", "0")], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / ".alone.lock").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)
    second = subprocess.Popen(
        [*alone, write.format("two", "0")], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert second.stdout is not None
    assert "Another make is at work in this folder" in second.stdout.readline()
    assert not (tmp_path / "log").exists()
    (tmp_path / "go").touch()
    second.communicate(timeout=60)
    assert (first.wait(timeout=60), second.returncode) == (0, 0)
    assert (tmp_path / "log").read_text() == "one begins; one ends; two begins; two ends; "


def test_the_exit_status_is_the_command_s(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / ".ci" / "alone.py"), sys.executable, "-c", "exit(3)"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 3


FAKE_DVC = """#!/bin/sh
case "$2" in
  status) echo '{"ingest": [], "train@a": [], "train@b": [], "train@c": [], "cluster": []}' ;;
  repro) echo "began $4 $OMP_NUM_THREADS" >> log; echo "Trial of $4"; test "$4" != "$FAILS"
         status=$?; echo "ended $4" >> log; exit $status ;;
esac
"""


@pytest.mark.parametrize(("fails", "status"), [("", 0), ("train@b", 1)])
def test_changed_trainings_run_side_by_side_after_the_first(
    tmp_path: Path, fails: str, status: int
) -> None:
    (tmp_path / "dvc").write_text(FAKE_DVC)
    (tmp_path / "dvc").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"FAILS": fails}
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "side_by_side.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert done.stderr == ("Failed: train@b\n" if fails else "")
    assert sorted(done.stdout.splitlines()) == [f"{x}: Trial of train@{x}" for x in "abc"]
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[1] == "ended train@a"
    assert sorted(line.split()[1] for line in lines) == sorted(
        2 * ["train@a", "train@b", "train@c"]
    )


def test_tests_that_share_what_they_build_are_one_workers() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    (command,) = [line for line in lines if "-m pytest" in line]
    assert "--dist loadscope " in command  # any other way of sharing out passes by the scheduler
    assert together("tests/a/test_b.py::Test::test_c[x::y@z]") == "tests/a/test_b.py"
    assert together("tests/browser/test_d.py::test_e") == together("tests/browser/test_f.py::g")
    assert all((ROOT / place).exists() for place in LONGEST)
