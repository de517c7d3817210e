"""One search shared by several processes or machines, through Optuna's database storage.

Every worker asks the database for the next trial, runs it and tells its score. Exactly the wanted
number of trials finish: a trial beyond it, which two workers that asked at once can draw, gives its
place back before any work. A worker that dies falls silent, and another repeats its trial.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.exceptions import (
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.trial import FrozenTrial, TrialState

from ganamis.errors import UserError
from ganamis.extractors.search import FINISHED, VALUES
from ganamis.extractors.shared_storage import SharedStudy
from ganamis.params import Search, SharedSearch

OPEN = (TrialState.WAITING, TrialState.RUNNING)
FIXED, RETRIES = "fixed_params", "retry_history"
"""Optuna's attributes of a trial: enqueued hyper-parameters, and the numbers it had before."""


class Surplus(Exception):
    """This trial is one more than the search needs."""


def run_shared(
    opened: SharedStudy,
    score: Callable[[optuna.Trial], float],
    *,
    first: Sequence[dict[str, Any]],
    settings: Search,
    shared: SharedSearch,
    seed: int,
    finished: Callable[[FrozenTrial], None],
) -> None:
    """Run trials until `settings.trials` have finished, here and wherever else they are run.

    Args:
        score: scores one trial; raises `optuna.TrialPruned` to stop it.
        first: the hyper-parameters that are tried first, each by one worker.
        finished: called once for each finished trial, whoever ran it.

    Raises:
        UserError: the database went away.
    """
    study, told, watch = opened.study, set[int](), Watch(opened.study, shared)

    def objective(trial: optuna.Trial) -> float:
        watch.running = trial.number
        if _is_surplus(study, trial, wanted=settings.trials):
            raise Surplus
        # Seeded by the trial's number, so that no two workers draw the same.
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + trial.number, n_startup_trials=settings.startup_trials
        )
        print(f"Trial number {trial.number}; {settings.trials} shall finish", flush=True)
        return score(trial)

    def tell() -> int:
        for trial in opened.finished:
            if trial.number not in told:
                told.add(trial.number)
                finished(trial)
        return len(told)

    try:
        if not study.get_trials(deepcopy=False):
            for values in first:
                study.enqueue_trial(values, skip_if_exists=True)
        while tell() < settings.trials:
            if _is_free(study, settings.trials):
                watch.run(objective)
            else:
                time.sleep(shared.poll)
                watch.release_abandoned()
    except Exception as error:
        if not _is_lost_database(error):
            raise
        raise UserError(
            f"the shared search at {opened.address} broke off; start the database and run the "
            "command again: finished trials are kept"
        ) from error


def _is_lost_database(error: BaseException | None) -> bool:
    """Whether `error` arose in the storage; Optuna's clean-up may raise another on top of it."""
    while error is not None:
        if isinstance(error, StorageInternalError):
            return True
        error = error.__cause__ or error.__context__
    return False


class Watch:
    """Trials whose worker fell silent, this one included."""

    def __init__(self, study: optuna.Study, shared: SharedSearch) -> None:
        self._study, self._grace = study, shared.grace
        self._blank_since: dict[int, float] = {}
        self.running = -1

    def run(self, objective: Callable[[optuna.Trial], float]) -> None:
        """Run one trial; if this worker was silent for so long that it lost it, go on."""
        try:
            self._study.optimize(objective, n_trials=1, catch=(Surplus,))
        except (UpdateFinishedTrialError, ValueError):
            if not self._was_given_away():
                raise
            print(f"Trial number {self.running} was given to another worker.", flush=True)

    def _was_given_away(self) -> bool:
        trials = self._study.get_trials(deepcopy=False)
        return any(self.running in trial.system_attrs.get(RETRIES, ()) for trial in trials)

    def release_abandoned(self) -> None:
        """Let others repeat the trials of workers that are silent.

        Optuna sees a worker that fell silent after its first sign of life; one that died before it
        has left a trial without hyper-parameters, which is failed here.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(self._study)
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        blank = [trial.number for trial in running if VALUES not in trial.user_attrs]
        now = time.monotonic()
        self._blank_since = {number: self._blank_since.get(number, now) for number in blank}
        for number, since in self._blank_since.items():
            if now - since > self._grace:
                self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def _is_free(study: optuna.Study, wanted: int) -> bool:
    """Whether a trial waits, or one more may be drawn."""
    trials = study.get_trials(deepcopy=False, states=(*OPEN, *FINISHED))
    return len(trials) < wanted or any(trial.state is TrialState.WAITING for trial in trials)


def _is_surplus(study: optuna.Study, trial: optuna.Trial, *, wanted: int) -> bool:
    """Whether enough trials come before this one, or it doubles the first setting.

    Numbers are given by the database one after the other, so that any two workers agree.
    """
    trials = study.get_trials(deepcopy=False, states=(*OPEN, *FINISHED))
    before = [other for other in trials if other.number < trial.number]
    own = [other for other in trials if other.number == trial.number]
    fixed = own[0].system_attrs.get(FIXED) if own else None
    doubled = any(other.system_attrs.get(FIXED) == fixed for other in before)
    return len(before) >= wanted or (fixed is not None and doubled)
