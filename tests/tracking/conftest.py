"""A working folder of its own, in which no store is named."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from ganamis.tracking.store import VARIABLE


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
