"""The model registry: register a challenger, and let it replace the champion if it is better."""

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

import ganamis
from ganamis.attribution import served_model
from ganamis.clustering.scores import ari_difference
from ganamis.errors import UserError

MODEL = "ganamis"
CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"
EVIDENCE = "evidence"  # artifact folder: the open-world clusters that the gate compares
EVIDENCE_FILE = "open_world.csv"
DESCRIPTION = """\
Which generative model made a medical image? Encoded image in; cluster, generator and score out.

- `champion` serves: `models:/ganamis@champion`.
- `challenger` is the newest version, `previous` the champion before.
- Tags of a version name the run that trained it, its data (DVC digest) and its git commit.
- Tags that begin with `gate.` say why it was promoted, or was not.
"""
DESCRIBED = {
    "development_ari_unknown": "open-world development ARI",
    "training_run": "run that trained the extractor",
    "data_digest": "data (DVC digest)",
    "git_commit": "git commit at registration",
}
IMPORTED = ("PIL", "keras", "mlflow", "numpy", "pandas", "scipy", "sklearn", "tensorflow")
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "image")]),
    outputs=Schema(
        [
            ColSpec(DataType.long, "cluster"),
            ColSpec(DataType.string, "generator"),
            ColSpec(DataType.double, "score"),
            ColSpec(DataType.boolean, "unknown"),
            ColSpec(DataType.string, "error"),
        ]
    ),
)


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and on what evidence.

    difference: mean open-world ARI of the challenger less the champion's; low: the lower bound of
    its one-sided bootstrap interval; None where there was nothing to compare with.
    """

    promoted: bool
    reason: str
    challenger: int
    champion: int | None
    data_digest: str
    difference: float | None
    low: float | None


def register(
    bundle: Path,
    evidence: pd.DataFrame,
    *,
    size: int,
    limits: Mapping[str, int],
    tags: Mapping[str, str],
) -> ModelVersion:
    """Log the model of the active run and register it under the alias `challenger`.

    Args:
        bundle: a folder with `extractor/` and `assignment.npz`.
        evidence: columns `held_out`, `id`, `generator`, `label` of the open-world folds.
        size: width and height in pixels of the images the model takes.
        limits: of files and requests, `serve` in params.yaml; they travel with the model.
        tags: written on the version; they link it to data, code and scores.
    """
    mlflow.log_text(evidence.to_csv(index=False), f"{EVIDENCE}/{EVIDENCE_FILE}")
    logged = mlflow.pyfunc.log_model(
        name=MODEL,
        python_model=served_model.__file__,
        artifacts={
            "extractor": str(bundle / "extractor"),
            "assignment": str(bundle / "assignment.npz"),
        },
        model_config={"size": size, **limits},
        code_paths=[str(Path(ganamis.__file__).parent)],
        signature=SIGNATURE,
        pip_requirements=_requirements(),
    )
    client = mlflow.MlflowClient()
    try:
        client.create_registered_model(MODEL, description=DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    created = client.create_model_version(
        MODEL,
        source=logged.model_uri,
        run_id=logged.run_id,
        tags=dict(tags),
        description=_version_description(tags),
    )
    client.set_registered_model_alias(MODEL, CHALLENGER, created.version)
    return created


def _version_description(tags: Mapping[str, str]) -> str:
    """The way from a version to its run, data and code; tables show the first line alone."""
    lines = [f"- {title}: `{tags[key]}`" for key, title in DESCRIBED.items() if key in tags]
    heading = " with ".join(tags[key] for key in ("architecture", "clusterer") if key in tags)
    return "\n".join([heading, "", *lines])


def _requirements() -> list[str]:
    """Pins of what the served model imports, under the names they are installed by here."""
    installed = packages_distributions()
    names = {name for module in IMPORTED for name in installed[module]}
    return sorted(f"{name}=={version(name)}" for name in names)


def champion() -> ModelVersion | None:
    """The version that serves, or None before the first promotion."""
    try:
        return mlflow.MlflowClient().get_model_version_by_alias(MODEL, CHAMPION)
    except MlflowException:
        return None


def promote(
    number: int, *, margin: float, confidence: float, bootstrap: int, seed: int
) -> Decision:
    """Make version `number` champion if it beats the present one on the same data.

    The evidence is written as tags of the version, and the alias moves last.

    Args:
        margin: ARI by which the challenger must lead, at the given one-sided confidence.
        bootstrap: paired resamples of the development images.
    """
    client = mlflow.MlflowClient()
    try:
        challenger = client.get_model_version(MODEL, str(number))
    except MlflowException as error:
        raise UserError(
            f"{MODEL} version {number} is not in this registry; run `dvc repro -f -s register`"
        ) from error
    decision = decide(
        challenger,
        champion(),
        margin=margin,
        confidence=confidence,
        bootstrap=bootstrap,
        seed=seed,
    )
    for key, value in asdict(decision).items():
        client.set_model_version_tag(MODEL, challenger.version, f"gate.{key}", str(value))
    if decision.promoted:
        if decision.champion is not None:
            client.set_registered_model_alias(MODEL, PREVIOUS, str(decision.champion))
        client.set_registered_model_alias(MODEL, CHAMPION, challenger.version)
    return decision


def decide(
    challenger: ModelVersion,
    current: ModelVersion | None,
    *,
    margin: float,
    confidence: float,
    bootstrap: int,
    seed: int,
) -> Decision:
    """Compare two versions by their open-world clusters of the same development images."""
    digest = challenger.tags["data_digest"]

    def verdict(
        promoted: bool, reason: str, difference: float | None = None, low: float | None = None
    ) -> Decision:
        rival = None if current is None else int(current.version)
        return Decision(promoted, reason, int(challenger.version), rival, digest, difference, low)

    if current is None:
        return verdict(True, "there was no champion")
    if current.version == challenger.version:
        return verdict(False, "it is the champion already")
    if current.tags["data_digest"] != digest:
        return verdict(
            False,
            f"the champion was scored on other data ({current.tags['data_digest']}); run the "
            "champion's settings on this data first",
        )
    draws = _differences(challenger, current, bootstrap=bootstrap, seed=seed)
    difference, low = float(draws.mean()), float(np.quantile(draws, 1 - confidence))
    if low > margin:
        return verdict(True, f"better by more than {margin} at {confidence:.0%}", difference, low)
    return verdict(False, f"not better by more than {margin} at {confidence:.0%}", difference, low)


def _differences(
    challenger: ModelVersion, current: ModelVersion, *, bootstrap: int, seed: int
) -> np.ndarray:
    """Paired bootstrap of the mean difference over the open-world folds."""
    keys = ["held_out", "id", "generator"]
    both = _evidence(challenger).merge(
        _evidence(current), on=keys, suffixes=("_challenger", "_champion"), validate="one_to_one"
    )
    if both.empty:
        raise UserError("challenger and champion share no development images; retrain one of them")
    folds = [
        ari_difference(
            fold["label_challenger"].to_numpy(),
            fold["label_champion"].to_numpy(),
            fold["generator"].to_numpy(dtype=str),
            bootstrap=bootstrap,
            seed=seed,
        )
        for _, fold in both.groupby("held_out")
    ]
    return np.mean(folds, axis=0)


def _evidence(model: ModelVersion) -> pd.DataFrame:
    path = mlflow.artifacts.download_artifacts(
        run_id=model.run_id, artifact_path=f"{EVIDENCE}/{EVIDENCE_FILE}"
    )
    names = {"id": str, "held_out": str, "generator": str}
    return pd.read_csv(path, dtype=names, keep_default_na=False)


def load_model(uri: str) -> Any:
    """A model ready to predict, such as `models:/ganamis@champion`.

    Raises:
        UserError: there is no such model.
    """
    try:
        return mlflow.pyfunc.load_model(uri)
    except (MlflowException, OSError) as error:
        raise UserError(
            f"model '{uri}' cannot be loaded ({error}); run `make run`, or give another URI"
        ) from error


def spark_model(session: Any, uri: str) -> Any:
    """A registered model as a Spark function of a binary column, returning a struct column.

    Spark's executors get the model's files from the driver; they need its Python packages, but
    neither the registry nor its store.

    Raises:
        UserError: there is no such model.
    """
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)  # it advises conda
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        return mlflow.pyfunc.spark_udf(session, uri, env_manager="local")
    except (MlflowException, OSError) as error:
        raise UserError(
            f"model '{uri}' cannot be loaded ({error}); run `make run`, or give another URI"
        ) from error
