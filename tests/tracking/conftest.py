"""A working folder of its own, in which no store is named."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ganamis.model.shipped import shipped_folder
from ganamis.registry import names, versions
from ganamis.tracking import runs
from ganamis.tracking.store import VARIABLE
from tests.builders import PARAMS


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a project without a store; what MLflow keeps of addresses is put back."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, "")
    mlflow.set_registry_uri("")
    yield folder
    mlflow.set_registry_uri("")


def register_champion(folder: Path) -> None:
    """The shipped model as the newest version and champion of the project in `folder`."""
    evidence = pd.DataFrame(columns=["held_out", "id", "generator", "label"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with runs.stage_run("register", name="shipped", params={}, tags={}):
            version = versions.register(
                shipped_folder(), evidence, limits=PARAMS.serve.model_dump(), tags={}
            )
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(names.MODEL, names.CHAMPION, version.version)
