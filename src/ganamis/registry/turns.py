"""One promotion, rollback or removal at a time: a lock that is freed when its holder dies."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
from filelock import FileLock, Timeout
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ganamis.errors import UserError
from ganamis.tracking.store import local_file, shown

WAIT = 180  # seconds for another to end
LOCK_VARIABLE = "GANAMIS_PROMOTION_LOCK"  # a PostgreSQL that all who promote reach; may be secret
KEY = 0x67616E616D6973  # "ganamis"; PostgreSQL knows an advisory lock by a number
CONNECT_SECONDS = 10
WAITED = "55P03"  # lock_not_available, PostgreSQL's appendix A


@contextmanager
def alone() -> Iterator[None]:
    """Hold the registry's lock.

    In PostgreSQL it keeps all machines apart: the one that `LOCK_VARIABLE` names, or the registry
    itself where it is reached as such. A tracking server speaks HTTP alone and has no lock: then,
    as beside a local store's file, it keeps the processes of one machine apart.

    Raises:
        UserError: another process has held it for `WAIT` seconds, or the database refuses.
    """
    store = mlflow.get_registry_uri()
    shared = os.environ.get(LOCK_VARIABLE) or store
    with _in_database(shared) if _is_postgresql(shared) else _in_file(store):
        yield


def _is_postgresql(uri: str) -> bool:
    try:
        return make_url(uri).get_backend_name() == "postgresql"
    except (ArgumentError, ValueError):
        return False


@contextmanager
def _in_file(store: str) -> Iterator[None]:
    if (variable := os.environ.get(LOCK_VARIABLE)) is not None:
        raise UserError(
            f"{LOCK_VARIABLE} is '{shown(variable)}', which is no PostgreSQL; name one as "
            "postgresql+psycopg://user@host/database, or unset it"
        )
    if (database := local_file(store)) is not None:
        path = database.with_name(database.name + ".promotion.lock")
    else:
        name = hashlib.sha256(store.encode()).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"ganamis-{name}.promotion.lock"
    try:
        with FileLock(path, timeout=WAIT):
            yield
    except Timeout:
        raise _busy() from None


@contextmanager
def _in_database(uri: str) -> Iterator[None]:
    """An advisory lock of a session, which ends with its connection (PostgreSQL 13.3.5)."""
    try:
        engine = create_engine(
            uri, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS}
        )
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except (SQLAlchemyError, ImportError) as error:
        raise UserError(
            f"the lock in '{shown(uri)}' cannot be taken ({type(error).__name__}); check the "
            "address and `pip install 'ganamis[postgres]'`"
        ) from None
    try:
        try:
            connection.execute(text(f"SET lock_timeout = '{WAIT}s'"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": KEY})
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) == WAITED:
                raise _busy() from None
            raise UserError(f"the database '{shown(uri)}' went away; try again") from None
        yield
    finally:
        with suppress(SQLAlchemyError):  # a connection that was lost has freed it
            connection.close()


def _busy() -> UserError:
    return UserError(
        f"another promotion or rollback has been at work for over {WAIT} s; "
        "try again when it has ended"
    )
