"""`promote` and `rollback`: the challenger past the gate, or the champion before it back."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from ganamis.contracts import CLEAN
from ganamis.errors import UserError
from ganamis.files import read_json, try_output, write_json
from ganamis.model.evaluation import fold_clusters
from ganamis.model.storage import load_model
from ganamis.params import Params
from ganamis.registry import promotion
from ganamis.registry.versions import check_registered
from ganamis.stages.paths import PROMOTE, REGISTER, ROLLBACK, Ingested, read_ingested
from ganamis.stages.train import development_set
from ganamis.tracking import runs
from ganamis.tracking.failures import store_errors

DECISION, ROLLED_BACK = PROMOTE / "decision.json", ROLLBACK / "rollback.json"


def promote(params: Params, *, learned: int | None = None) -> None:
    """Let the gate compare the challenger with the champion; write its decision.

    Args:
        learned: the number of a version that `learn` or `forget` registered, for which no data
            set is needed; None for what `register` registered.
    """
    if learned is not None:
        _promote_learned(learned, params)
        return
    try_output(DECISION, folder=False)
    version = read_json(REGISTER / "version.json", stage="register")
    data = read_ingested(params)
    runs.connect()
    with store_errors():
        check_registered(
            version["version"],
            run_id=version["run_id"],
            store=version.get("store", "another store"),
        )
        decision = promotion.promote(
            version["version"],
            data_digest=data.digest,
            rescore=lambda folder, champion: _rescore(folder, champion, data, params),
            **params.promote.model_dump(),
            seed=params.seed,
        )
    write_json(DECISION, asdict(decision))
    _tell(decision)


def _promote_learned(number: int, params: Params) -> None:
    runs.connect()
    with store_errors():
        decision = promotion.promote(
            number,
            data_digest=None,
            rescore=_cannot_rescore,
            **params.promote.model_dump(),
            seed=params.seed,
        )
    _tell(decision)


def _cannot_rescore(folder: Path, champion: ModelVersion) -> pd.DataFrame:
    raise UserError(
        f"comparing with version {champion.version} needs the project's data; run `ganamis promote`"
    )


def _tell(decision: promotion.Decision) -> None:
    outcome = "is champion" if decision.promoted else "is not promoted"
    print(f"Version {decision.challenger} {outcome}: {decision.reason}.")


def _rescore(folder: Path, champion: ModelVersion, data: Ingested, params: Params) -> pd.DataFrame:
    """Open-world clusters of the present development images by the champion as it is stored.

    Exact for an extractor that learns nothing, such as the spectrum. A trained one may have seen
    the generator that a fold holds out, which can only flatter it: the champion stays in doubt.

    Raises:
        UserError: present code cannot open it.
    """
    try:
        model = load_model(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"the model of version {champion.version} cannot be opened ({error!r})"
        ) from error
    conditions = model.backend.nuisance.conditions
    degradations = tuple(name for name in conditions if name != CLEAN)
    development = development_set(data, degradations, params)
    folds = (development.fold(name, model.extractor) for name in development.names)
    return fold_clusters(
        folds,
        model.backend.clusterer,
        content=data.descriptors,
        settings=model.backend.settings,
        seed=params.seed,
    )


def rollback() -> None:
    """Put the champion before the present one back, and say so."""
    try_output(ROLLED_BACK, folder=False)
    runs.connect()
    with store_errors():
        done = promotion.roll_back()
    write_json(ROLLED_BACK, asdict(done))
    print(f"Version {done.champion} is champion again; version {done.replaced} is previous.")
