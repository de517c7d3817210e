"""What the report takes from files beside the pipeline: a benchmark, DVC's lock file."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from ganamis.report.benchmark import shown
from ganamis.stages.lineage import read_steps
from ganamis.stages.report import read_benchmark
from tests.builders import PARAMS

TABLE = Path(__file__).parents[2] / "docs" / "benchmark_zoo.csv"


def test_a_benchmark_becomes_a_table_a_chart_and_a_sentence() -> None:
    found = read_benchmark(TABLE)
    assert found is not None
    scores = pd.read_csv(TABLE)
    assert found.md5 == hashlib.md5(TABLE.read_bytes()).hexdigest()
    assert found.seeds == scores["seed"].nunique()
    assert len(found.columns) == len(shown(scores))
    assert [name for name, _ in found.rows] == list(dict.fromkeys(scores["condition"]))
    mix = scores.query("condition == 'mix' and clusterer == 'open_world' and mode == 'unknown'")
    cells = dict(found.rows)["mix"]
    assert cells[0].startswith(f"{mix['ari'].mean():.3f} ± ")
    assert f"{mix['ari'].mean():.2f} for mix" in found.chart.alt
    assert found.chart.width > 1000


def test_no_benchmark_is_none(tmp_path: Path) -> None:
    assert read_benchmark(tmp_path / "scores.csv") is None


def test_lineage_without_a_lock_file_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    steps = read_steps(PARAMS, report_run="0" * 32)
    assert [step.stage for step in steps][-3:] == ["register", "promote", "report"]
    assert all(step.outputs == () and step.commit is None for step in steps)
