"""A challenger that knows other generators than the version it comes from, and is the same else."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import save_model
from ganamis.registry import versions
from ganamis.tracking import runs

LEARNED_FROM, CHANGE = "learned_from", "catalogue.change"
SHIPPED = "shipped"  # in place of a version: the model of the package
INHERITED = (versions.ARI, versions.DATA)


def register_learned(
    model: FingerprintModel, *, base: ModelVersion | None, change: str, limits: Mapping[str, int]
) -> int:
    """Register a model whose catalogue was changed; its evidence is that of its base.

    Args:
        base: the version it was learned from; None for the model of the package.
        change: in words, such as `learned clinic A`.
        limits: of files and requests; see `versions.register`.

    Returns:
        The number of the new version.
    """
    evidence = pd.DataFrame(columns=["held_out", "id", "generator", "label"])
    inherited: dict[str, str] = {}
    if base is not None:
        evidence = versions.evidence(base)
        inherited = {key: base.tags[key] for key in INHERITED if key in base.tags}
    source = SHIPPED if base is None else str(base.version)
    with (
        runs.stage_run("learn", name=change, params={"learned_from": source}, tags={}),
        tempfile.TemporaryDirectory() as folder,
    ):
        save_model(model, Path(folder))
        created = versions.register(
            Path(folder),
            evidence,
            limits=limits,
            tags={
                **inherited,
                "git_commit": runs.git_tags()["git_commit"],
                LEARNED_FROM: source,
                CHANGE: change,
            },
        )
    return int(created.version)
