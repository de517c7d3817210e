"""The commands: `train` begins a shared search, workers go on with it, `train` uses the result."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import psycopg
import pytest
import yaml
from optuna.trial import FrozenTrial

from ganamis.contracts import Fold
from ganamis.extractors.search import FINISHED, VALUES
from ganamis.extractors.shared_storage import STORAGE_VARIABLE, open_study
from ganamis.params import Params, load_params
from tests.postgres import Server, programs, running
from tests.test_pipeline import tiny_params, write_data

pytestmark = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL is not installed (Debian: apt install postgresql)"
)
TRIALS = 8


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


def _environment(url: str | None) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return clean | ({STORAGE_VARIABLE: url} if url else {})


def start(folder: Path, *arguments: str, url: str | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ganamis", *arguments],
        cwd=folder,
        env=_environment(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, *arguments: str, url: str | None = None) -> str:
    process = start(folder, *arguments, url=url)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny data, ingested."""
    folder = tmp_path_factory.mktemp("project")
    params = tiny_params()
    params["architectures"] = ["spectrum"]
    params["profiles"]["two_cores"]["search"] |= {"trials": TRIALS}
    params["shared_search"] |= {"heartbeat": 1, "grace": 3, "poll": 0.2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    write_data(folder / "source", per_generator=40)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, env=_environment(None), check=True)
    run(folder, "import", "source")
    run(folder, "ingest")
    return folder


def _begun(server: Server, database: str) -> str | None:
    """The name of the one search in the database, once it has a trial."""
    query = "SELECT study_name FROM studies JOIN trials USING (study_id)"
    with server.connect(database) as connection:
        try:
            row = connection.execute(query).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return row[0] if row else None


def _trials(url: str, name: str, params: Params) -> list[FrozenTrial]:
    settings, shared = params.active.search, params.shared_search
    with open_study(url, name, settings=settings, shared=shared, create=False) as opened:
        return opened.study.get_trials()


def test_workers_finish_the_search_of_a_killed_train(server: Server, project: Path) -> None:
    url = server.create("search")
    killed = start(project, "train", "--architecture", "spectrum", url=url)
    deadline = time.monotonic() + 120
    while (name := _begun(server, "search")) is None:
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    workers = [start(project, "search-worker", "--architecture", "spectrum", url=url) for _ in "ab"]
    for worker in workers:
        output = worker.communicate()[0]
        assert worker.returncode == 0, output
        assert "The search has finished" in output
    params = load_params(project / "params.yaml")
    trials = _trials(url, name, params)
    finished = [trial for trial in trials if trial.state in FINISHED]
    assert len(finished) == TRIALS
    assert [trial.number for trial in trials] == list(range(len(trials)))

    output = run(project, "train", "--architecture", "spectrum", url=url)
    assert _trials(url, name, params) == trials  # nothing more was run
    assert server.password not in output
    result = project / "results" / "train" / "spectrum"
    metrics = json.loads((result / "metrics.json").read_text())
    best = max(trial.value for trial in finished if trial.state.name == "COMPLETE")
    assert metrics["development_ari_known"] == best
    summary = json.loads((result / "summary.json").read_text())
    earliest = next(trial for trial in finished if trial.value == best)
    assert summary["values"] == earliest.user_attrs[VALUES]
    for held_out in ("model-0", "model-1"):
        assert Fold.load(result / "folds" / held_out).held_out == held_out

    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    runs = mlflow.search_runs(experiment_names=["ganamis"])
    nested = runs[runs["tags.mlflow.parentRunId"] == summary["run_id"]]
    assert sorted(nested["tags.trial_number"].astype(int)) == [t.number for t in finished]
    secret = server.password.encode()
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in files if secret in path.read_bytes()]


def test_a_worker_with_other_settings_is_refused(server: Server, project: Path) -> None:
    url = server.create("refusals")
    process = start(project, "search-worker", "--architecture", "spectrum", url=url)
    output = process.communicate()[0]
    assert process.returncode == 2, output
    assert "has no search 'ganamis-spectrum-" in output and "Traceback" not in output
    assert server.password not in output
    process = start(project, "search-worker", "--architecture", "spectrum")
    output = process.communicate()[0]
    assert process.returncode == 2 and f"{STORAGE_VARIABLE} is not set" in output


def test_train_says_that_the_database_is_away_and_hides_the_password(project: Path) -> None:
    away = "postgresql+psycopg://me:hunter2@127.0.0.1:1/search"
    process = start(project, "train", "--architecture", "spectrum", url=away)
    output = process.communicate()[0]
    assert process.returncode == 2, output
    assert "cannot be opened" in output and f"unset {STORAGE_VARIABLE}" in output
    assert "hunter2" not in output and "Traceback" not in output
