"""Which hyper-parameters a search's scores depend on."""

from typing import Any

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

LEAST_TRIALS = 4


def importances(trials: pd.DataFrame, names: list[str], *, seed: int) -> dict[str, float]:
    """Share of the score's variance by hyper-parameter (fANOVA, Hutter et al. 2014).

    Of a few dozen trials it is a hint: the forest that stands in for the score is a rough one.

    Args:
        trials: one row per trial: `names` and `development_ari`, that of a pruned trial included.

    Returns:
        By name; empty where trials are too few or all score the same.
    """
    if len(trials) < LEAST_TRIALS or trials["development_ari"].nunique() < 2:
        return {}
    distributions = {name: _distribution(trials[name]) for name in names}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for row in trials.to_dict("records"):
        params = {name: _plain(row[name]) for name in names}
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=float(row["development_ari"])
            )
        )
    evaluator = FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(found.get(name, 0.0)) for name in names}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else float(value)


def _distribution(column: pd.Series) -> BaseDistribution:
    """Few values are choices; many lie on a logarithmic scale, as learning rates do."""
    values = sorted({_plain(value) for value in column})
    if isinstance(values[0], str) or len(values) <= LEAST_TRIALS:
        return CategoricalDistribution(values)
    return FloatDistribution(values[0], values[-1], log=True)
