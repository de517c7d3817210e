"""MLflow tracking: the store, one run per stage and architecture, nested trials, data sets."""

import hashlib
import logging
import os
import re
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import LifecycleStage, Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis
from optuna.trial import FrozenTrial, TrialState

from ganamis.contracts import Manifest
from ganamis.errors import UserError
from ganamis.tracking import view
from ganamis.tracking.failures import check, store_errors
from ganamis.tracking.store import DATABASE, follow, local_file, shown, sqlite_uri, store_uri

EXPERIMENT = "ganamis"
DESCRIPTION = """\
**Which extractor recognises generative models by their fingerprint?**

Filter `tags.stage = "train"`: one run per extractor, that is per architecture and recipe, its
search trials nested below it. `development_accuracy` is that of a linear head on images that were
never trained on; an extractor with `learned` 0 can not be selected.
The chart view compares the extractors: `test_ari/*` are scores on the labelled test set, reported
and never used for a choice; `development_ari/*` is the open-world objective that selection uses
(one generator held out).
`known`/`unknown` says whether the number of generators was given. 1 is perfect, 0 is chance.
"""
NO_STORE = (
    "`make run` makes one, or after `dvc pull`, which brings results and no registry, "
    "`dvc repro -f -s register promote`; or set MLFLOW_TRACKING_URI to the store that has the model"
)
LONGEST_METRIC = 200  # characters, of 250 that MLflow takes
ENTRY_POINT_TAG = "mlflow.project.entryPoint"


def connect() -> str:
    """Open the tracking store, create the experiment where it is absent, and return its id.

    Raises:
        UserError: the store cannot be used; the message says why, and the way on.
    """
    uri = _open(store_uri())
    with store_errors():
        experiment = mlflow.MlflowClient().get_experiment_by_name(EXPERIMENT)
        if experiment is not None and experiment.lifecycle_stage != LifecycleStage.ACTIVE:
            raise UserError(
                f"the experiment '{EXPERIMENT}' was deleted in the store '{shown(uri)}'; bring it "
                f"back with `MLFLOW_TRACKING_URI='{shown(uri) if local_file(uri) is None else uri}'"
                f" mlflow experiments restore --experiment-id {experiment.experiment_id}`"
            )
        experiment = mlflow.set_experiment(EXPERIMENT)
        if (path := local_file(uri)) is not None:
            follow(path)
        wanted = {"mlflow.note.content": DESCRIPTION, **view.VIEWS}
        for key, value in wanted.items():
            if experiment.tags.get(key) != value:
                mlflow.set_experiment_tag(key, value)
    return experiment.experiment_id


def connect_to_read() -> None:
    """Open a store that has something in it; it may be read-only.

    Raises:
        UserError: there is none, or it cannot be used.
    """
    uri = store_uri()
    path = local_file(uri)
    if path is not None and not path.exists():
        raise UserError(f"there is no store at '{path}'; {NO_STORE}")
    _open(uri)
    if path is not None:
        with store_errors():
            mlflow.MlflowClient().search_experiments(max_results=1)  # makes sure of the schema
        follow(path)


def _open(uri: str) -> str:
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.git_utils").setLevel(logging.ERROR)  # no git is no news
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    check(uri)
    mlflow.set_tracking_uri(uri)
    if uri != sqlite_uri(Path.cwd() / DATABASE):
        _announce(shown(uri))
    return uri


@cache
def _announce(where: str) -> None:
    print(f"Tracking store: {where}", file=sys.stderr)


@contextmanager
def stage_run(
    stage: str, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
) -> Iterator[mlflow.ActiveRun]:
    """One run of a stage, with its parameters, git commit and tags.

    A run that `mlflow run -e <stage>` has opened in this experiment is taken over; otherwise a new
    one is started. Runs left open by a process that died are ended first.
    """
    experiment = connect()
    with store_errors():
        _end_abandoned_runs(experiment)
        with _run(stage, experiment, name=name, tags=tags) as run:
            mlflow.log_params(_flat(params))
            yield run


@contextmanager
def _run(
    stage: str, experiment: str, *, name: str, tags: Mapping[str, str]
) -> Iterator[mlflow.ActiveRun]:
    launcher = os.environ.pop("MLFLOW_RUN_ID", None)
    adopted = launcher if launcher and _is_launched_for(launcher, stage, experiment) else None
    identity = {} if adopted or not launcher else {"launcher_run_id": launcher}
    with mlflow.start_run(run_id=adopted, experiment_id=experiment, run_name=name) as run:
        mlflow.set_tags(
            {"stage": stage, **tags, **identity, **git_tags(), **_process_tags()}
            | ({"mlflow.runName": name} if adopted else {})
        )
        yield run


def _is_launched_for(run_id: str, stage: str, experiment: str) -> bool:
    try:
        run = mlflow.get_run(run_id)
    except MlflowException:  # it is in another store
        return False
    return run.info.experiment_id == experiment and run.data.tags.get(ENTRY_POINT_TAG) == stage


def _process_tags() -> dict[str, str]:
    process = psutil.Process()
    return {
        "process.host": socket.gethostname(),
        "process.id": str(process.pid),
        "process.started": f"{process.create_time():.2f}",
    }


def git_tags() -> dict[str, str]:
    """The commit of the working folder, and whether it has uncommitted changes."""
    unknown = {"git_commit": "none", "git_dirty": "unknown"}
    try:
        from git import InvalidGitRepositoryError, Repo
        from git.exc import GitError
    except ImportError:  # so GitPython says that the machine has no git
        return unknown
    try:
        repository = Repo(search_parent_directories=True)
        commit = repository.head.commit.hexsha
        return {"git_commit": commit, "git_dirty": str(repository.is_dirty()).lower()}
    except (InvalidGitRepositoryError, GitError, ValueError, OSError):
        return unknown


def _end_abandoned_runs(experiment: str) -> None:
    """Mark as KILLED what a dead process on this machine left RUNNING."""
    client = mlflow.MlflowClient()
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        tags = run.data.tags
        if tags.get("process.host") == socket.gethostname() and not _is_alive(tags):
            client.set_terminated(run.info.run_id, status=RunStatus.to_string(RunStatus.KILLED))


def _is_alive(tags: Mapping[str, str]) -> bool:
    try:
        process = psutil.Process(int(tags["process.id"]))
        return f"{process.create_time():.2f}" == tags["process.started"]
    except psutil.NoSuchProcess:
        return False


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def log_data(manifest: Manifest, root: Path, digest: str, *, split: str) -> None:
    """Tie the active run to one split of a data set by its DVC digest (36 characters at most)."""
    table = manifest.split(split)
    with warnings.catch_warnings():  # hints on schemas of models, and this is none
        warnings.simplefilter("ignore")
        data = from_pandas(table, source=str(root), name=root.name, digest=digest)
        try:
            mlflow.log_input(data, context=split)
        except MlflowException:  # another process has just written the same data set
            mlflow.log_input(data, context=split)


def log_search_result(values: Mapping[str, Any], measured: Mapping[str, float]) -> None:
    """Record on the active run what the search chose and what was measured of it."""
    mlflow.log_params({f"best.{key}": value for key, value in values.items()})
    mlflow.log_metrics(dict(measured))


def log_trial(
    parent: mlflow.ActiveRun, trial: FrozenTrial, *, extractor: str, tags: Mapping[str, str]
) -> None:
    """Record one finished trial as a nested run; a pruned one's score is that of its folds."""
    client = mlflow.MlflowClient()
    now = get_current_time_millis()
    started = trial.datetime_start
    run = client.create_run(
        parent.info.experiment_id,
        start_time=int(started.timestamp() * 1000) if started else now,
        run_name=f"{extractor} trial {trial.number}",
        tags={
            "mlflow.parentRunId": parent.info.run_id,
            "stage": "trial",
            "trial_state": trial.state.name.lower(),
            **tags,
            **_process_tags(),
        },
    )
    params = {"extractor": extractor, **trial.params}
    scores = {
        metric_name(key): value
        for key, value in trial.user_attrs.items()
        if key.startswith("development_ari")
    }
    if trial.value is not None:
        scores["development_ari"] = trial.value
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(key, float(value), now, 0) for key, value in scores.items()],
        params=[Param(key, str(value)) for key, value in params.items()],
        tags=[RunTag("trial_number", str(trial.number))],
    )
    status = RunStatus.FINISHED if trial.state is TrialState.COMPLETE else RunStatus.KILLED
    ended = trial.datetime_complete
    client.set_terminated(
        run.info.run_id,
        status=RunStatus.to_string(status),
        end_time=int(ended.timestamp() * 1000) if ended else now,
    )


def metric_name(text: str) -> str:
    """`text` as MLflow takes it for a metric, which free text such as a generator's name is not.

    Names that had to be changed keep apart by a digest of what they were.
    """
    plain = re.sub(r"[^A-Za-z0-9_. -]", "_", text)[:LONGEST_METRIC]
    if plain == text:
        return text
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def add_to_run(run_id: str, scores: Mapping[str, float], figures: Path) -> bool:
    """Add metrics and figures to a run that has ended; False where this store has no such run."""
    client = mlflow.MlflowClient()
    now = get_current_time_millis()
    try:
        client.get_run(run_id)
    except MlflowException:
        return False
    client.log_batch(run_id, metrics=[Metric(k, float(v), now, 0) for k, v in scores.items()])
    client.log_artifacts(run_id, str(figures), artifact_path="figures")
    return True


def run_facts(run_id: str) -> dict[str, Any]:
    """A run's `git_commit`, `git_dirty`, `started` (UTC) and `seconds`; empty if it is not here."""
    try:
        run = mlflow.get_run(run_id)
    except MlflowException:
        return {}
    started, ended = run.info.start_time / 1000, run.info.end_time
    return {
        "git_commit": run.data.tags.get("git_commit"),
        "git_dirty": run.data.tags.get("git_dirty"),
        "started": datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M"),
        "seconds": None if ended is None else ended / 1000 - started,
    }


def log_folder(folder: Path, *, under: str) -> None:
    """Copy the files of `folder` to the active run's artifacts."""
    mlflow.log_artifacts(str(folder), artifact_path=under)


def log_card(card: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Record a generator's training card and its files on the active run."""
    losses = card["final_losses"]
    mlflow.log_params({key: card[key] for key in card.keys() - {"final_losses", "wall_seconds"}})
    mlflow.log_metrics({"wall_seconds": card["wall_seconds"], **losses})
    for path in files:
        mlflow.log_artifact(str(path))


def log_benchmark(scores: pd.DataFrame, files: Sequence[Path]) -> None:
    """Record a benchmark's mean scores and its files on the active run."""
    for (series, condition), rows in scores.groupby(["series", "condition"]):
        mlflow.log_metric(
            f"ari/{metric_name(series)}/{metric_name(condition)}", float(rows["ari"].mean())
        )
    for path in files:
        mlflow.log_artifact(str(path))
