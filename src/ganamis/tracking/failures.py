"""What goes wrong in a store, each cause in one sentence with its remedy."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import requests
import sqlalchemy
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ganamis.errors import UserError
from ganamis.tracking.store import VARIABLE, check_local, local_file, shown

SECONDS = 5  # for a server's first answer
MIGRATIONS = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
SCHEMA = re.compile(r"found version (\w+), but expected|identified by '(\w+)'")
SERVER = re.compile(r"API request to (\w+://[^/\s]+)")
ELSEWHERE = f"or set {VARIABLE} to another store"


def check(uri: str) -> None:
    """Look once, and quickly, whether a store can be used; MLflow itself tries for minutes.

    Raises:
        UserError: it cannot; the message says why, and the way on.
    """
    path = local_file(uri)
    if path is not None:
        check_local(path)
    elif uri.startswith(("http://", "https://")):
        _check_server(uri)
    elif uri.startswith(("file:", "/", ".")) or Path(uri).is_dir():
        raise UserError(
            f"MLflow no longer keeps stores in plain folders such as '{uri}'; move what it holds "
            f"with `mlflow migrate-filestore`, or unset {VARIABLE} for the project's own mlflow.db"
        )
    elif "://" in uri:
        _check_database(uri)


def _check_server(uri: str) -> None:
    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=SECONDS)
    except requests.RequestException as error:
        raise UserError(
            f"the tracking server at '{shown(uri)}' does not answer ({_kind(error)}); start it "
            f"again, {ELSEWHERE}"
        ) from error
    if answer.status_code == 404 or answer.status_code >= 500:
        raise UserError(
            f"'{shown(uri)}' is not an MLflow server that is ready (its /health answers "
            f"{answer.status_code}); check the address in {VARIABLE}"
        )


def _check_database(uri: str) -> None:
    try:
        waits = sqlalchemy.make_url(uri).get_backend_name() in ("postgresql", "mysql")
        engine = sqlalchemy.create_engine(
            uri, connect_args={"connect_timeout": SECONDS} if waits else {}
        )
    except (ArgumentError, ValueError) as error:
        raise UserError(
            f"{VARIABLE} is no address of a store ({_kind(error)}); correct it"
        ) from error
    except ModuleNotFoundError as error:
        raise UserError(
            f"the driver of the store '{shown(uri)}' is missing ({error}); for PostgreSQL name the "
            "one that the extra `postgres` installs: postgresql+psycopg://"
        ) from error
    try:
        engine.connect().close()
    except SQLAlchemyError as error:
        raise UserError(
            f"the store '{shown(uri)}' does not answer ({_kind(error)}); start the database again, "
            f"{ELSEWHERE}"
        ) from error
    finally:
        engine.dispose()


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what MLflow raises in the block into a `UserError`.

    MLflow prints the traces of a database's errors as well; these are no news to a user.
    """
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:
        if explained := explain(error):
            raise explained from error
        raise


def explain(error: Exception) -> UserError | None:
    """The cause and the remedy, or None for an error that is not of the store."""
    alembic = type(error).__module__ == "alembic.util.exc"
    if not alembic and not isinstance(error, MlflowException | SQLAlchemyError):
        return None
    uri = mlflow.get_tracking_uri()
    where, text = shown(uri), str(error)
    if found := SCHEMA.search(text):
        return _other_schema(uri, found[1] or found[2])
    if "readonly" in text or "read-only" in text or "PermissionError" in text:
        return UserError(f"the store '{where}' cannot be written; make it writable, {ELSEWHERE}")
    if "disk is full" in text:
        return UserError(f"the disk of the store '{where}' is full; make room, and run it again")
    if "database is locked" in text:
        return UserError(f"the store '{where}' is in use by another process; try again later")
    if "API request to" in text or "Max retries" in text:
        asked = SERVER.search(text)  # the registry's may be another than the tracking server's
        where = shown(asked[1]) if asked else where
        return UserError(
            f"the tracking server at '{where}' stopped answering ({_kind(error)}); start it again, "
            "and run the command again"
        )
    return UserError(f"the store '{where}' refused ({_kind(error)}); nothing more is known here")


def _other_schema(uri: str, revision: str) -> UserError:
    if any(MIGRATIONS.glob(f"{revision}_*.py")):
        return UserError(
            f"the store '{shown(uri)}' was written by an older MLflow; make a copy of it, then run "
            f"`mlflow db upgrade '{uri if local_file(uri) else shown(uri)}'`"
        )
    return UserError(
        f"the store '{shown(uri)}' was written by a newer MLflow than {mlflow.__version__}; "
        f"install that one (`pip install --upgrade mlflow`), {ELSEWHERE}"
    )


def _kind(error: BaseException) -> str:
    """The first line of an error, shortened; never a password, which addresses may hold."""
    cause = error
    while isinstance(getattr(cause, "orig", None) or cause.__cause__, Exception):
        cause = getattr(cause, "orig", None) or cause.__cause__  # type: ignore[assignment]
    lines = re.sub(r"://[^@/\s]*@", "://", str(cause)).strip().splitlines()
    return (lines[0] if lines else type(cause).__name__)[:200]
