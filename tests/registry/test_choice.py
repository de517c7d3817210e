"""Which model answers: the one asked for, the champion at hand, the shipped one."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from ganamis.errors import UserError
from ganamis.model.storage import save_model
from ganamis.registry import names
from ganamis.registry.choice import STORE_VARIABLE, choose_model
from tests.serving.tiny_model import register_champion, tiny_model

SHIPPED = "the model that ships with the package"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and a champion that knows three generators."""
    folder = tmp_path_factory.mktemp("project")
    register_champion(folder)
    return folder


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    mlflow.set_registry_uri("")
    yield
    mlflow.set_registry_uri("")


def test_where_there_is_nothing_the_shipped_one_answers(tmp_path: Path) -> None:
    chosen = choose_model(None)
    assert chosen.name == SHIPPED and chosen.version is None and len(chosen.model.known) == 8
    assert not list(tmp_path.iterdir())


def test_the_champion_of_the_store_at_hand(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    chosen = choose_model(None)
    assert chosen.name == "the champion of the registry (version 1)"
    assert chosen.model.known == ("gan0", "gan1", "gan2")
    assert chosen.version is not None and int(chosen.version.version) == 1


def test_the_store_may_be_named_by_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, f"sqlite:///{project / 'mlflow.db'}")
    assert choose_model(None).name == "the champion of the registry (version 1)"


def test_a_store_that_is_named_and_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, f"sqlite:///{tmp_path / 'later.db'}")
    assert choose_model(None).name == f"{SHIPPED}; there is no store at 'later.db' yet"
    assert not list(tmp_path.iterdir()), "nothing was made"
    with pytest.raises(UserError, match="there is no store at"):
        choose_model("models:/ganamis@champion")


def test_a_store_without_a_champion(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("uncrowned")
    register_champion(folder)
    monkeypatch.chdir(folder)
    assert choose_model(None).version is not None
    mlflow.MlflowClient().delete_registered_model_alias(names.MODEL, names.CHAMPION)
    assert choose_model(None).name == SHIPPED


def test_a_folder_is_taken_before_any_champion(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tiny_model(), tmp_path / "mine")
    monkeypatch.chdir(project)
    chosen = choose_model(str(tmp_path / "mine"))
    assert chosen.name == f"the model in '{tmp_path / 'mine'}'" and chosen.version is None


@pytest.mark.parametrize("uri", ["models:/ganamis@champion", "models:/ganamis/1"])
def test_a_registered_one_by_its_address(
    project: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.chdir(project)
    chosen = choose_model(uri)
    assert chosen.name == f"{uri} (version 1)" and chosen.model.known == ("gan0", "gan1", "gan2")


@pytest.mark.parametrize("uri", ["nowhere", "models/ganamis", ""])
def test_neither_a_folder_nor_an_address(uri: str) -> None:
    with pytest.raises(UserError) as refused:
        choose_model(uri)
    assert f"--model is '{uri}', which is neither a folder with model.json" in str(refused.value)


@pytest.mark.parametrize("uri", ["models:/ganamis/99", "models:/ganamis@nobody", "models:/x/1"])
def test_a_model_that_is_not_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.chdir(project)
    with pytest.raises(UserError, match=f"the store 'mlflow.db' has no model '{uri}'"):
        choose_model(uri)
