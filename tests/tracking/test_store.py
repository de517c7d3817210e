"""Where a store is, whatever its folder is called, and after it was moved or copied."""

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ganamis.errors import UserError
from ganamis.registry import names, versions
from ganamis.tracking import runs
from ganamis.tracking.store import VARIABLE, local_file, shown, sqlite_uri
from tests.builders import encode, noise
from tests.tracking.conftest import register_champion

READ_MARK = "registered_model_meta"  # which MLflow writes beside a model that it reads
MODEL = names.CHAMPION_URI
RECORD = """
    from ganamis.tracking import runs
    with runs.stage_run("ingest", name="tiny", params={}, tags={}):
        pass
    open("written", "w").close()
"""


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def log_artifact() -> Path:
    """A run with one artifact; where that came to lie."""
    with runs.stage_run("ingest", name="tiny", params={}, tags={}) as run:
        mlflow.log_text("hello", "note.txt")
    found = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="note.txt")
    assert Path(found).read_text() == "hello"
    (written,) = Path.cwd().rglob(f"{run.info.run_id}/artifacts/note.txt")
    return written


@pytest.mark.parametrize(
    "name", ["a b#c?d", "100%", "x&y=z;1@2:3", "ü", "it's", "[1]", "a%20b", "%41"]
)
def test_a_project_folder_of_any_name(
    name: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workplace / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    written = log_artifact()
    assert written.is_relative_to(folder / "mlruns")
    assert [path.name for path in workplace.iterdir()] == [name], "something was written outside"
    assert (folder / "mlflow.db").is_file()


def test_an_address_leads_back_to_its_path(workplace: Path) -> None:
    for name in ("plain.db", "what?.db", "50%.db", "a b#.db"):
        assert local_file(sqlite_uri(workplace / name)) == workplace / name
    assert local_file("sqlite:///mlflow.db") == workplace / "mlflow.db"
    assert local_file("http://host:5000") is None


def test_no_password_is_shown() -> None:
    assert shown("https://me:secret@host:5000/x") == "https://me:***@host:5000/x"
    assert "secret" not in shown("postgresql+psycopg://me:secret@host/db")


@pytest.fixture
def original(workplace: Path) -> Path:
    """A project with a champion."""
    register_champion(workplace)
    mlflow.set_registry_uri("")
    return workplace


@pytest.mark.parametrize(("moved", "name"), [(True, "a%20b"), (False, "copy")])
def test_a_project_that_was_moved_or_copied_works_by_itself(
    original: Path, moved: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "elsewhere" / name
    other.parent.mkdir()
    before = files(original)
    if moved:
        original.rename(other)
    else:
        shutil.copytree(original, other)
    monkeypatch.chdir(other)
    monkeypatch.setenv(VARIABLE, "")

    runs.connect_to_read()
    answers = versions.load_model(MODEL).predict(
        pd.DataFrame({"image": [encode(noise(0, size=256))]})
    )
    assert answers["error"][0] == ""
    champion = versions.version_of(names.CHAMPION)
    assert champion is not None
    assert versions.stored_model(champion).is_relative_to(other)
    assert versions.evidence(champion).empty
    assert log_artifact().is_relative_to(other / "mlruns")
    register_champion(other)  # version 2
    second = versions.version_of(names.CHAMPION)
    assert second is not None and versions.stored_model(second).is_relative_to(other)
    if moved:
        assert not original.exists()
    else:
        assert files(original) == before, "the original was written to"
        shutil.rmtree(original)
        assert versions.stored_model(champion).is_dir()


def test_artifacts_of_a_database_copied_alone_stay_where_they_are(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(original / "mlflow.db", other)
    monkeypatch.chdir(other)
    monkeypatch.setenv(VARIABLE, "")
    before = files(original)
    assert log_artifact().is_relative_to(other / "mlruns")
    champion = versions.version_of(names.CHAMPION)
    assert champion is not None
    assert versions.stored_model(champion).is_relative_to(original)
    assert {path for path in files(original) if path.name != READ_MARK} == before


def test_a_store_named_from_another_folder_keeps_its_artifacts_beside_it(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    store = tmp_path / "shared"
    store.mkdir()
    monkeypatch.setenv(VARIABLE, f"sqlite:///{store / 'mlflow.db'}")
    with runs.stage_run("ingest", name="tiny", params={}, tags={}) as run:
        mlflow.log_text("hello", "note.txt")
    assert (store / "mlruns" / "1" / run.info.run_id / "artifacts" / "note.txt").is_file()
    assert not files(workplace)
    assert f"Tracking store: {store / 'mlflow.db'}" in capsys.readouterr().err


def test_there_is_nothing_to_read_where_there_is_no_store(workplace: Path) -> None:
    with pytest.raises(UserError, match="make run.*dvc repro -f -s register promote"):
        runs.connect_to_read()
    assert not files(workplace)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to anything")
def test_a_store_that_may_only_be_read_is_read(original: Path) -> None:
    (original / "mlflow.db").chmod(stat.S_IRUSR)
    runs.connect_to_read()
    assert versions.load_model(MODEL) is not None


def _clean() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}


def _recorded(store: Path) -> int:
    mlflow.set_tracking_uri(f"sqlite:///{store}")
    found = mlflow.search_runs(experiment_names=[runs.EXPERIMENT])
    return int((found["tags.stage"] == "ingest").sum()) if len(found) else 0


def test_an_experiment_in_a_passing_copy_is_recorded_in_the_project(workplace: Path) -> None:
    (workplace / "record.py").write_text(textwrap.dedent(RECORD))
    (workplace / "dvc.yaml").write_text(
        f"stages: {{record: {{cmd: '{sys.executable} record.py', deps: [record.py], "
        "outs: [written]}}\n"
    )
    (workplace / ".gitignore").write_text("/mlflow.db\n/mlruns/\n/written\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y"]
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        ["git", "init", "-q"],
        [*dvc, "init", "-q"],
        ["git", "add", "-A"],
        [*git, "commit", "-qm", "start"],
        [*dvc, "exp", "run", "--temp"],
    ):
        done = subprocess.run(command, env=_clean(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert _recorded(workplace / "mlflow.db") == 1
    assert "Tracking store: mlflow.db" in done.stderr + done.stdout


def test_mlflow_run_from_elsewhere_records_where_it_says(workplace: Path, tmp_path: Path) -> None:
    (workplace / "record.py").write_text(textwrap.dedent(RECORD))
    (workplace / "MLproject").write_text(
        "name: tiny\nentry_points: {main: {command: 'python record.py'}}\n"
    )
    caller = tmp_path / "caller"
    caller.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "run", str(workplace), "--env-manager", "local"],
        cwd=caller,
        env=_clean() | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"Tracking store: {caller / 'mlflow.db'}" in done.stderr
    assert _recorded(caller / "mlflow.db") == 1
    assert not (workplace / "mlflow.db").exists() and (workplace / "written").exists()
