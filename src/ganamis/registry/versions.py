"""The model registry: register a challenger, and read what a version holds."""

import atexit
import json
import shutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from ganamis.errors import UserError
from ganamis.model import storage
from ganamis.model.fingerprint import FingerprintModel
from ganamis.registry.names import CHALLENGER, MODEL
from ganamis.serving import served_model
from ganamis.tracking.failures import explain
from ganamis.tracking.runs import NO_STORE
from ganamis.tracking.store import local_file, misread, shown

EVIDENCE = "evidence"  # artifact folder: the open-world clusters that the gate compares
EVIDENCE_FILE = "open_world.csv"
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # the latter: of an alias
ARCHIVES = {".npz", ".keras"}
DESCRIPTION = """\
Which generative model made a medical image? Encoded image in; cluster, generator and score out.

- `champion` serves: `models:/ganamis@champion`.
- `challenger` is the newest version, `previous` the champion before.
- `ari`: open-world ARI on development images and its 95 % interval.
- `data`, `commit`: how DVC's digest of the data and the git commit begin.
- `gate`: why a version was promoted, or was not; by how much it leads, on what.
- A version's description leads to the run that trained it and to the code.
"""
# What a version's description tells of what made it. Tables show tags, in narrow columns: of a
# digest only its beginning.
DESCRIBED = {
    "architecture": "extractor",
    "clusterer": "clusterer",
    "training_run": "run that trained the extractor",
    "data_digest": "digest of the data",
    "git_commit": "git commit",
}
DATA, COMMIT, ARI = "data", "commit", "ari"  # tags of a version
SHORTENED = {"data_digest": DATA, "git_commit": COMMIT}
IMPORTED = ("PIL", "keras", "mlflow", "numpy", "pandas", "scipy", "sklearn", "tensorflow")
ARTIFACT = "model"  # the folder of a version's model among its artifacts
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "image")]),
    outputs=Schema(
        [
            ColSpec(DataType.long, "cluster"),
            ColSpec(DataType.string, "generator"),
            ColSpec(DataType.boolean, "known"),
            ColSpec(DataType.double, "score"),
            ColSpec(DataType.string, "error"),
        ]
    ),
    params=ParamSchema(
        [
            # Whether the images are one folder, to be clustered; else each is answered alone.
            ParamSpec("together", DataType.boolean, False),
            # Generators that made the folder; 0 to find out.
            ParamSpec("clusters", DataType.long, 0),
        ]
    ),
)


def register(
    bundle: Path,
    evidence: pd.DataFrame,
    *,
    limits: Mapping[str, int],
    tags: Mapping[str, str],
) -> ModelVersion:
    """Log the model of the active run and register it under the alias `challenger`.

    Args:
        bundle: the folder of a model, as `model.storage` writes it.
        evidence: columns `held_out`, `id`, `generator`, `label` of the open-world folds.
        limits: of files and requests, `serve` in params.yaml; they travel with the model.
        tags: what links the version to data, code and scores; `DESCRIBED` goes into its text,
            and of `SHORTENED` the beginning becomes a tag.
    """
    mlflow.log_text(evidence.to_csv(index=False), f"{EVIDENCE}/{EVIDENCE_FILE}")
    with TemporaryDirectory() as folder:
        # MLflow names an artifact by its folder, which may be called anything here.
        shutil.copytree(bundle, Path(folder) / ARTIFACT)
        logged = mlflow.pyfunc.log_model(
            name=MODEL,
            python_model=served_model.__file__,
            artifacts={ARTIFACT: str(Path(folder) / ARTIFACT)},
            model_config=dict(limits),
            code_paths=[str(files("ganamis"))],
            signature=SIGNATURE,
            pip_requirements=list(_requirements()),
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
        model_id=logged.model_id,  # a tracking server asks for what the source names already
        tags=_short(tags),
        description=_version_description(tags),
    )
    client.set_registered_model_alias(MODEL, CHALLENGER, created.version)
    return created


def abbreviated(digest: str) -> str:
    """The beginning of a digest, long enough to tell any two apart."""
    return digest[:12]


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in tags.items() if key not in DESCRIBED}
    return kept | {short: abbreviated(tags[key]) for key, short in SHORTENED.items() if key in tags}


def _version_description(tags: Mapping[str, str]) -> str:
    """The way from a version to its run, data and code; tables show the first line alone."""
    lines = [f"- {title}: `{tags[key]}`" for key, title in DESCRIBED.items() if key in tags]
    named = [tags[key] for key in ("architecture", "clusterer") if key in tags]
    return "\n".join([" with ".join(named), "", *lines]) if lines else ""


@cache
def _requirements() -> tuple[str, ...]:
    """Pins of what the served model imports, under the names they are installed by here."""
    installed = packages_distributions()
    names = {name for module in IMPORTED for name in installed[module]}
    return tuple(sorted(f"{name}=={version(name)}" for name in names))


def version_of(alias: str) -> ModelVersion | None:
    """The version that bears an alias, or None.

    Raises:
        UserError: the registry does not answer; that is not the same as having none.
    """
    try:
        return mlflow.MlflowClient().get_model_version_by_alias(MODEL, alias)
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise _silent(error) from error


def check_registered(number: int, *, run_id: str, store: str) -> None:
    """Make sure that a version of this registry is the one that `register` made.

    A number alone is none's identity: every registry counts from 1.

    Args:
        run_id: of the run that registered it. store: where, as messages may print it.

    Raises:
        UserError: it is another one, or there is none.
    """
    here = shown(mlflow.get_registry_uri())
    try:
        if mlflow.MlflowClient().get_model_version(MODEL, str(number)).run_id == run_id:
            return
        found = f"version {number} of '{here}' is another model"
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise _silent(error) from error
        found = f"'{here}' has no version {number}"
    raise UserError(
        f"the challenger was registered as version {number} in '{store}', and {found}; set "
        "MLFLOW_TRACKING_URI to the store that has it, or register it in this one by "
        "`dvc repro -f -s register promote`"
    )


def version_numbered(number: int) -> ModelVersion:
    """The version of that number.

    Raises:
        UserError: there is none, or the registry does not answer.
    """
    try:
        return mlflow.MlflowClient().get_model_version(MODEL, str(number))
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise _silent(error) from error
        raise UserError(
            f"{MODEL} version {number} is not in this registry; run `dvc repro -f -s register`"
        ) from error


def _silent(error: MlflowException) -> UserError:
    return explain(error) or UserError(f"the registry refused ({error})")


def evidence(model: ModelVersion) -> pd.DataFrame:
    """The open-world clusters behind a version's score: `held_out`, `id`, `generator`, `label`.

    Raises:
        UserError: they cannot be read.
    """
    names = {"id": str, "held_out": str, "generator": str}
    try:
        path = mlflow.artifacts.download_artifacts(
            run_id=model.run_id, artifact_path=f"{EVIDENCE}/{EVIDENCE_FILE}"
        )
        table = pd.read_csv(path, dtype=names, keep_default_na=False)
        return table[[*names, "label"]]
    except (MlflowException, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"the evidence of {MODEL} version {model.version} cannot be read ({error})"
        ) from error


def stored_model(model: ModelVersion) -> Path:
    """The folder of a version's model; all its archives and JSON files are whole.

    Only that version's own code, which is stored with it, need understand what they say.

    Raises:
        UserError: an artifact is missing or damaged.
    """
    try:
        folder = Path(mlflow.artifacts.download_artifacts(model.source)) / "artifacts" / ARTIFACT
        if not folder.is_dir():
            raise OSError(f"the folder '{ARTIFACT}' is missing")
        for path in sorted(folder.rglob("*")):
            _check_whole(path)
    except (MlflowException, OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(
            f"the artifacts of {MODEL} version {model.version} are damaged ({error})"
        ) from error
    return folder


def _check_whole(path: Path) -> None:
    if path.suffix in ARCHIVES:
        with ZipFile(path) as archive:
            if broken := archive.testzip():
                raise OSError(f"'{broken}' in {path.name} does not match its checksum")
    elif path.suffix == ".json" and not isinstance(json.loads(path.read_bytes()), dict):
        raise ValueError(f"{path.name} holds no settings")


def load_model(uri: str) -> Any:
    """A model ready to predict, such as `models:/ganamis@champion`.

    Raises:
        UserError: there is no such model, or it cannot be loaded.
    """
    try:
        return mlflow.pyfunc.load_model(uri, dst_path=_passing_folder())
    except (MlflowException, OSError, ImportError) as error:
        raise _not_loaded(uri, error) from error


def _passing_folder() -> str | None:
    """Where a model is copied to before it is loaded, where its own path would be misread."""
    path = local_file(mlflow.get_tracking_uri())
    if path is None or not misread(path):
        return None
    folder = TemporaryDirectory(ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)  # a model's code is imported from there as long as it is used
    return folder.name


def load_fingerprint_model(uri: str) -> tuple[FingerprintModel, ModelVersion | None]:
    """The model behind a registered version, without MLflow's wrapping, and the version.

    Raises:
        UserError: there is no such model, or it was not made by this project.
    """
    try:
        version = _version_of_uri(uri)
        folder = Path(mlflow.artifacts.download_artifacts(uri)) / "artifacts" / ARTIFACT
    except (MlflowException, OSError) as error:
        raise _not_loaded(uri, error) from error
    if not folder.is_dir():
        raise UserError(
            f"model '{uri}' is none of ganamis, or of an earlier form; give another URI"
        )
    return storage.load_model(folder), version


def _version_of_uri(uri: str) -> ModelVersion | None:
    """The version that `models:/ganamis/3` or `models:/ganamis@champion` names; None of others."""
    place = uri.removeprefix(f"models:/{MODEL}")
    if place.startswith("@"):
        return mlflow.MlflowClient().get_model_version_by_alias(MODEL, place[1:])
    if place.startswith("/") and place[1:].isdigit():
        return mlflow.MlflowClient().get_model_version(MODEL, place[1:])
    return None


def _not_loaded(uri: str, error: Exception) -> UserError:
    """Why a model cannot be loaded: unknown here, its files gone, or a package missing."""
    where = shown(mlflow.get_registry_uri())
    if isinstance(error, ImportError):
        return UserError(f"model '{uri}' needs a package that is not installed ({error})")
    if isinstance(error, PermissionError):
        return UserError(
            f"the files of model '{uri}' cannot be read, or their folder not be written, where "
            f"MLflow notes which version it holds ({error}); change its rights, or load a copy"
        )
    if isinstance(error, OSError) or "No such artifact" in str(error):
        return UserError(
            f"the files of model '{uri}' are missing ({error}); copy the folder mlruns to beside "
            f"the store '{where}', or register again by `dvc repro -f -s register promote`"
        )
    if getattr(error, "error_code", None) in ABSENT:
        return UserError(f"the store '{where}' has no model '{uri}' ({_versions()}); {NO_STORE}")
    return explain(error) or UserError(f"model '{uri}' cannot be loaded ({error})")


def _versions() -> str:
    """What there is instead, for whoever asked for something else."""
    try:
        found = mlflow.MlflowClient().search_model_versions(f"name = '{MODEL}'")
    except MlflowException:
        return "nor any other"
    numbers = ", ".join(sorted((str(v.version) for v in found), key=int))
    return f"it has versions {numbers} of {MODEL}" if numbers else f"it has no version of {MODEL}"
