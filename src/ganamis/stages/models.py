"""Which model answers: the one asked for, else the champion at hand, else the shipped one."""

import os
from dataclasses import dataclass
from pathlib import Path

from ganamis.errors import UserError
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.shipped import load_shipped
from ganamis.model.storage import MODEL_FILE, load_model

STORE_VARIABLE = "MLFLOW_TRACKING_URI"
STORE = Path("mlflow.db")  # of a project, in its folder
CHAMPION = "models:/ganamis@champion"


@dataclass(frozen=True)
class Chosen:
    """A model and how it is called in front of the user."""

    model: FingerprintModel
    name: str


def choose_model(uri: str | None) -> Chosen:
    """Load the model of `uri`: a registered one, or a folder that `save_model` wrote.

    Without one, the champion of the store at hand; where there is no store or no champion, the
    model that ships with the package. MLflow is imported only where there is a store to ask.

    Raises:
        UserError: no such model, or the store does not answer.
    """
    if uri is not None and (Path(uri) / MODEL_FILE).exists():
        return Chosen(load_model(Path(uri)), f"the model in '{uri}'")
    if uri is not None and "://" not in uri and not uri.startswith(("models:/", "runs:/")):
        raise UserError(
            f"--model is '{uri}', which is neither a folder with {MODEL_FILE} nor an address such "
            f"as {CHAMPION}"
        )
    if uri is not None or STORE_VARIABLE in os.environ or STORE.exists():
        from ganamis.registry.versions import champion_uri, load_fingerprint_model
        from ganamis.tracking.runs import connect

        connect()
        address = uri or champion_uri()
        if address is not None:
            return Chosen(*load_fingerprint_model(address))
    return Chosen(load_shipped(), "the model that ships with the package")
