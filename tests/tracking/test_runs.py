"""What several processes write to one tracking store at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import mlflow
import pytest

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
