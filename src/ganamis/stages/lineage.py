"""What each stage wrote, by which run, from which commit: from DVC's lock file and MLflow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ganamis.files import read_json
from ganamis.params import Params
from ganamis.report.page import Step
from ganamis.stages.paths import CLUSTER, REGISTER, TRAIN
from ganamis.tracking import runs

LOCK = Path("dvc.lock")


def read_steps(params: Params, *, report_run: str) -> tuple[Step, ...]:
    """The stages up to the report, in their order.

    Args:
        report_run: the run that writes the report; DVC records its output only afterwards.
    """
    recorded = _recorded()
    records = {
        **{f"train@{name}": TRAIN / name / "summary.json" for name in params.architectures},
        "cluster": CLUSTER / "summary.json",
        "register": REGISTER / "version.json",
    }
    stages = ["ingest", *(f"train@{name}" for name in params.architectures)]
    stages += ["cluster", "select", "register", "promote"]
    steps = [
        _step(stage, recorded.get(stage, ()), _run_id(records[stage]) if stage in records else None)
        for stage in stages
    ]
    return (*steps, _step("report", (), report_run))


def _recorded() -> dict[str, tuple[tuple[str, str], ...]]:
    """Path and md5 of every output, by stage; empty where `dvc repro` has not run."""
    if not LOCK.exists():
        return {}
    stages = yaml.safe_load(LOCK.read_text(encoding="utf-8")).get("stages", {})
    return {
        name: tuple((out["path"], out["md5"]) for out in stage.get("outs", []))
        for name, stage in stages.items()
    }


def _run_id(path: Path) -> str | None:
    found: str | None = read_json(path, stage="cluster")["run_id"] if path.exists() else None
    return found


def _step(stage: str, outputs: tuple[tuple[str, str], ...], run_id: str | None) -> Step:
    facts: Mapping[str, Any] = runs.run_facts(run_id) if run_id else {}
    return Step(
        stage=stage,
        outputs=outputs,
        run_id=run_id,
        commit=facts.get("git_commit"),
        dirty=facts.get("git_dirty") == "true",
        started=facts.get("started"),
        seconds=facts.get("seconds"),
    )
