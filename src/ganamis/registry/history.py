"""Every registered version with its score, as its tags tell it: for the report's trend."""

import re

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from ganamis.contracts import Version
from ganamis.registry.names import MODEL
from ganamis.registry.promotion import GATE
from ganamis.registry.versions import ARI, COMMIT, DATA
from ganamis.tracking.failures import explain

NUMBER = r"(-?\d+\.\d+)"
TAG = re.compile(rf"{NUMBER} \[{NUMBER}, {NUMBER}\]")


def ari_tag(ari: float, low: float, high: float) -> str:
    """A score with its interval, short enough for a column of MLflow's table."""
    return f"{ari:.3f} [{low:.3f}, {high:.3f}]"


def all_versions() -> tuple[Version, ...]:
    """What the registry holds, the oldest first.

    Raises:
        UserError: the registry does not answer.
    """
    client = mlflow.MlflowClient()
    try:
        found = client.search_model_versions(f"name = '{MODEL}'")
        aliases = client.get_registered_model(MODEL).aliases if found else {}
    except MlflowException as error:
        raise (explain(error) or error) from error
    rows = [_row(version, aliases) for version in found]
    return tuple(sorted(rows, key=lambda row: row.number))


def _row(version: ModelVersion, aliases: dict[str, str]) -> Version:
    read = TAG.fullmatch(version.tags.get(ARI, ""))
    ari, low, high = (float(part) for part in read.groups()) if read else (None, None, None)
    return Version(
        number=int(version.version),
        ari=ari,
        low=low,
        high=high,
        data=version.tags.get(DATA, ""),
        commit=version.tags.get(COMMIT, ""),
        aliases=tuple(
            sorted(name for name, number in aliases.items() if str(number) == str(version.version))
        ),
        gate=version.tags.get(GATE, ""),
    )
