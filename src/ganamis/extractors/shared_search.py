"""One search shared by several processes or machines, through Optuna's database storage.

Every worker asks the database for the next trial, runs it and tells its score. Exactly the wanted
number of trials finish: a trial beyond it, which two workers that asked at once can draw, gives its
place back before any work. A worker that dies falls silent, and another repeats its trial.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import optuna
from optuna.exceptions import (
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from ganamis.errors import UserError
from ganamis.extractors.search import FINISHED, VALUES
from ganamis.params import Search, SharedSearch

STORAGE_VARIABLE = "GANAMIS_OPTUNA_STORAGE"
OPEN = (TrialState.WAITING, TrialState.RUNNING)
FIXED, RETRIES = "fixed_params", "retry_history"
"""Optuna's attributes of a trial: enqueued hyper-parameters, and the numbers it had before."""
SET_UP_ATTEMPTS = 5  # two processes that create the tables at once: one of them fails
CONNECT_SECONDS = 10
EXAMPLE = "postgresql+psycopg://user@host/database"


class Surplus(Exception):
    """This trial is one more than the search needs."""


@dataclass(frozen=True)
class SharedStudy:
    """A study in a database; `address` is the database's, fit to be shown."""

    study: optuna.Study
    address: str

    @property
    def finished(self) -> list[FrozenTrial]:
        """The trials that have a score, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False, states=FINISHED)

    @property
    def best(self) -> FrozenTrial:
        """The completed trial with the highest score; the earliest of several.

        Raises:
            UserError: none was completed.
        """
        completed = [t for t in self.finished if t.state is TrialState.COMPLETE]
        if not completed:
            raise UserError(f"search '{self.study.study_name}': no trial was completed")
        return max(completed, key=lambda trial: (trial.value or 0.0, -trial.number))


def storage_url() -> str | None:
    """The shared storage that the environment names, or None.

    It is no parameter: it may hold a password, and changes no result.
    """
    return os.environ.get(STORAGE_VARIABLE) or None


@contextmanager
def open_study(
    url: str, name: str, *, settings: Search, shared: SharedSearch, create: bool
) -> Iterator[SharedStudy]:
    """Open the study `name` in the database at `url`; close the connections at the end.

    Args:
        create: whether to create it where it is absent.

    Raises:
        UserError: the database cannot be reached or used, or has no such study.
    """
    address = _address(url)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = _open_storage(url, address, shared)
    try:
        study = _study(storage, name, address, settings=settings, create=create)
        yield SharedStudy(study, address)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _study(
    storage: RDBStorage, name: str, address: str, *, settings: Search, create: bool
) -> optuna.Study:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=settings.startup_trials)
    if create:
        return optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            pruner=pruner,
            load_if_exists=True,
        )
    try:
        return optuna.load_study(storage=storage, study_name=name, pruner=pruner)
    except KeyError as error:
        others = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise UserError(
            f"{address} has no search '{name}' (its searches: {others}); begin it with "
            "`ganamis train`, from the same data, params.yaml and seed"
        ) from error


def _address(url: str) -> str:
    """`url` without user, password and options.

    Raises:
        UserError: it is no address of a database server.
    """
    refusal = f"{STORAGE_VARIABLE} is no address of a database server; expected {EXAMPLE}"
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise UserError(refusal) from None  # the cause would show the password
    elsewhere = "://" not in url or parts.scheme.startswith("sqlite")
    if elsewhere or not parts.path.strip("/") or "@" in parts.path:
        raise UserError(refusal)
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _open_storage(url: str, address: str, shared: SharedSearch) -> RDBStorage:
    known = urlsplit(url).scheme in ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")
    for attempt in range(SET_UP_ATTEMPTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(
                    url,
                    engine_kwargs={
                        "pool_pre_ping": True,
                        "hide_parameters": True,
                        "connect_args": {"connect_timeout": CONNECT_SECONDS} if known else {},
                    },
                    heartbeat_interval=shared.heartbeat,
                    grace_period=shared.grace,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
                        max_retry=shared.retries
                    ),
                )
        except ImportError as error:
            raise UserError(
                f"the driver of {address} is not installed; run `pip install 'ganamis[postgres]'`"
            ) from error
        except Exception as error:  # SQLAlchemy's and the driver's own, of many kinds
            clash = type(error).__name__ in ("IntegrityError", "ProgrammingError")
            if clash and attempt + 1 < SET_UP_ATTEMPTS:
                time.sleep(attempt + 1)
                continue
            raise UserError(
                f"the shared search at {address} cannot be opened ({_reason(error, url)}); start "
                f"the database, or unset {STORAGE_VARIABLE} to search on this machine alone"
            ) from None  # the cause would show the password
    raise AssertionError("the last attempt returns or raises")


def _reason(error: Exception, url: str) -> str:
    """The first line of what the driver says, without the password."""
    line = (str(getattr(error, "orig", None) or error).splitlines() or [""])[0]
    parts = urlsplit(url)
    secrets = [parts.password or "", *parse_qs(parts.query).get("password", [])]
    for secret in {*secrets, *map(unquote, secrets)} - {""}:
        line = line.replace(secret, "***")
    return line


def run_shared(
    opened: SharedStudy,
    score: Callable[[optuna.Trial], float],
    *,
    first: dict[str, Any],
    settings: Search,
    shared: SharedSearch,
    seed: int,
    finished: Callable[[FrozenTrial], None],
) -> None:
    """Run trials until `settings.trials` have finished, here and wherever else they are run.

    Args:
        score: scores one trial; raises `optuna.TrialPruned` to stop it.
        first: the hyper-parameters that are tried first, by one worker.
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
            study.enqueue_trial(first, skip_if_exists=True)
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
