"""Which model answers: the one asked for, else the champion at hand, else the shipped one."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganamis.errors import UserError
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.shipped import load_shipped
from ganamis.model.storage import MODEL_FILE, load_model
from ganamis.registry.names import CHAMPION, CHAMPION_URI

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

STORE_VARIABLE = "MLFLOW_TRACKING_URI"
STORE = Path("mlflow.db")  # of a project, in its folder


@dataclass(frozen=True)
class Chosen:
    """A model, how it is called in front of the user, and its version if it is registered."""

    model: FingerprintModel
    name: str
    version: "ModelVersion | None" = None


def choose_model(uri: str | None) -> Chosen:
    """Load the model of `uri`: a registered one, or a folder that `save_model` wrote.

    Without one, the champion of the store at hand; where there is no store, not even at the address
    that the environment names, or no champion, the model that ships with the package. MLflow is
    imported only where there is a store to ask.

    Raises:
        UserError: no such model, or the store does not answer.
    """
    if uri is not None and (Path(uri) / MODEL_FILE).exists():
        return Chosen(load_model(Path(uri)), f"the model in '{uri}'")
    if uri is not None and "://" not in uri and not uri.startswith(("models:/", "runs:/")):
        raise UserError(
            f"--model is '{uri}', which is neither a folder with {MODEL_FILE} nor an address such "
            f"as {CHAMPION_URI}"
        )
    absent = _absent_store()
    at_hand = absent is None if os.environ.get(STORE_VARIABLE) else STORE.exists()
    if uri is not None or at_hand:
        from ganamis.registry.versions import load_fingerprint_model, version_of
        from ganamis.tracking.runs import connect_to_read

        connect_to_read()
        if uri is not None or version_of(CHAMPION) is not None:
            model, version = load_fingerprint_model(uri or CHAMPION_URI)
            name = uri or "the champion of the registry"
            return Chosen(
                model, f"{name} (version {version.version})" if version else name, version
            )
    why = f"; there is no store at '{absent}' yet" if absent else ""
    return Chosen(load_shipped(), f"the model that ships with the package{why}")


def _absent_store() -> str | None:
    """The local store that the environment names and nobody has made yet."""
    given = os.environ.get(STORE_VARIABLE)
    if not given:
        return None
    from ganamis.tracking.store import local_file, shown

    path = local_file(given)
    return shown(given) if path is not None and not path.exists() else None
