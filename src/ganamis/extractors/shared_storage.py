"""The database that a shared search lives in: its address, kept from view, and its studies."""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from ganamis.errors import UserError
from ganamis.extractors.search import FINISHED
from ganamis.params import Search, SharedSearch

STORAGE_VARIABLE = "GANAMIS_OPTUNA_STORAGE"
SET_UP_ATTEMPTS = 5  # two processes that create the tables at once: one of them fails
CONNECT_SECONDS = 10
EXAMPLE = "postgresql+psycopg://user@host/database"


class Database(RDBStorage):
    """Optuna's storage, which closes its connections if it cannot be set up."""

    def __init__(self, url: str, **options: Any) -> None:
        try:
            super().__init__(url, **options)
        except Exception:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise


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


def _open_storage(url: str, address: str, shared: SharedSearch) -> Database:
    known = urlsplit(url).scheme in ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")
    for attempt in range(SET_UP_ATTEMPTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return Database(
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
