"""Old versions, and models that no version uses: what they hold, and their removal for good.

MLflow deletes a version and keeps its files; `mlflow gc` leaves logged models alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from ganamis.registry.names import MODEL

PAGE = 100
PREFIX = "models:/"  # of a version's source, before the id of its logged model


@dataclass(frozen=True)
class Leftover:
    """A model that nothing needs.

    version: its number, or None for one that was logged and never registered. size: bytes.
    """

    model_id: str
    location: str
    version: int | None
    size: int


def leftovers(experiment: str) -> list[Leftover]:
    """Versions without an alias, and models of the experiment that no version names."""
    client = mlflow.MlflowClient()
    aliased = {str(number) for number in _aliases(client).values()}
    versions = {
        (version.source or "").removeprefix(PREFIX): version for version in _versions(client)
    }
    found = []
    for model in _logged(client, experiment):
        version = versions.get(model.model_id)
        if version is not None and str(version.version) in aliased:
            continue
        number = None if version is None else int(version.version)
        size = _size(get_artifact_repository(model.artifact_location))
        found.append(Leftover(model.model_id, model.artifact_location, number, size))
    return sorted(found, key=lambda each: (each.version is None, each.version or 0))


def remove(leftover: Leftover) -> None:
    """Delete the version first, so that none is ever left without its files."""
    client = mlflow.MlflowClient()
    if leftover.version is not None:
        client.delete_model_version(MODEL, str(leftover.version))
    client.delete_logged_model(leftover.model_id)
    get_artifact_repository(leftover.location).delete_artifacts()


def _aliases(client: mlflow.MlflowClient) -> dict[str, str]:
    if not client.search_registered_models(f"name = '{MODEL}'"):
        return {}
    aliases: dict[str, str] = client.get_registered_model(MODEL).aliases
    return aliases


def _versions(client: mlflow.MlflowClient) -> Iterator[ModelVersion]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{MODEL}'", max_results=PAGE, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _logged(client: mlflow.MlflowClient, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_logged_models([experiment], max_results=PAGE, page_token=token)
        yield from (model for model in page if model.name == MODEL)
        if not (token := page.token):
            return


def _size(repository: Any, path: str | None = None) -> int:
    """Bytes of all files of an artifact store at and below `path`."""
    return sum(
        _size(repository, each.path) if each.is_dir else int(each.file_size or 0)
        for each in repository.list_artifacts(path)
    )
