"""The model that ships with the package: it answers where there is no other."""

from importlib import resources
from pathlib import Path

from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import load_model

FOLDER = "shipped"


def shipped_folder() -> Path:
    """Where the model lies: beside this file."""
    return Path(str(resources.files("ganamis.model").joinpath(FOLDER)))


def load_shipped() -> FingerprintModel:
    """The shipped model; `shipped/card.json` says what it was fitted on and what it scores."""
    return load_model(shipped_folder())
