"""What the report takes from files beside the pipeline: a benchmark, DVC's lock file."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from ganamis.contracts import Version
from ganamis.stages.lineage import read_steps
from ganamis.stages.report import read_benchmark, read_trend
from tests.builders import PARAMS

HEADLINE = "zoo - nothing known - open_world - number unknown"
OTHER = "zoo - nothing known - kmeans_whitened - number known"


def _table(path: Path) -> Path:
    rows = [
        (series, condition, seed, 0.9 - 0.1 * seed + 0.01 * place, 8 - seed, 8)
        for place, condition in enumerate(("clean", "jpeg75", "mix"))
        for series in (OTHER, HEADLINE)
        for seed in range(2)
    ]
    columns = ["series", "condition", "seed", "ari", "found", "generators"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def test_a_benchmark_becomes_a_table_a_chart_and_a_sentence(tmp_path: Path) -> None:
    table = _table(tmp_path / "scores.csv")
    found = read_benchmark(table)
    assert found is not None
    assert found.md5 == hashlib.md5(table.read_bytes()).hexdigest()
    assert found.seeds == 2
    assert found.columns == ("zoo - nothing known: found", "zoo - nothing known: given")
    assert [name for name, _ in found.rows] == ["clean", "jpeg75", "mix"]
    assert dict(found.rows)["mix"][0] == "0.870 ± 0.050 (8/7)"
    assert "0.87 for mix" in found.chart.alt
    assert found.chart.width > 1000


def test_the_trend_is_drawn_of_two_scores_or_more() -> None:
    rows = [
        Version(1, 0.81, 0.7, 0.9, "a" * 12, "", ("previous",), ""),
        Version(2, None, None, None, "", "", (), ""),
        Version(3, 0.9, 0.85, 0.95, "b" * 12, "", ("challenger", "champion"), ""),
    ]
    chart = read_trend(tuple(rows))
    assert chart is not None and chart.width > 800
    assert "version 1 0.810 and version 3 0.900" in chart.alt
    assert read_trend(tuple(rows[:2])) is None


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
