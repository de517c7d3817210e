"""What several processes write to one tracking store at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import mlflow
import pytest
from optuna.trial import create_trial

from ganamis.contracts import TEST
from ganamis.data.manifest import check_folder
from ganamis.tracking import runs
from tests.builders import SIZE

RUNS, SETS = 6, 12


def test_runs_that_tie_themselves_to_one_data_set_at_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = runs.connect()
    manifest = check_folder(folder, size=SIZE, near_duplicate=0.0).manifest
    together = Barrier(RUNS)

    def log(number: int) -> str:
        with mlflow.start_run(experiment_id=experiment, run_name=str(number)) as run:
            for digest in range(SETS):
                together.wait(timeout=60)
                runs.log_data(manifest, folder, f"{digest}.dir", split=TEST)
        return run.info.run_id

    with ThreadPoolExecutor(RUNS) as pool:
        logged = list(pool.map(log, range(RUNS)))
    for run in logged:
        assert len(mlflow.get_run(run).inputs.dataset_inputs) == SETS


def test_a_trial_of_generators_with_free_names(tmp_path: Path, workplace: Path) -> None:
    names = ["StyleGAN2 (ADA, 256px)", "StyleGAN2 [ADA, 256px]", "a/b", "é" * 300, "plain"]
    attributes = {f"development_ari_without_{name}": 0.5 for name in names}
    with runs.stage_run("train", name="tiny", params={}, tags={}) as parent:
        trial = create_trial(value=0.5, user_attrs=attributes)
        runs.log_trial(parent, trial, extractor="tiny_x", tags={"recipe": "x"})
    (logged,) = [r for r in mlflow.search_runs(output_format="list") if r.data.metrics]
    assert len(logged.data.metrics) == len(names) + 1
    assert "development_ari_without_plain" in logged.data.metrics
    assert logged.data.params == {"extractor": "tiny_x"} and logged.data.tags["recipe"] == "x"


def test_the_commit_without_a_git_program(workplace: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from ganamis.tracking.runs import git_tags; print(git_tags())"],
        env=os.environ | {"PATH": str(workplace)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout.strip() == "{'git_commit': 'none', 'git_dirty': 'unknown'}", said.stderr
