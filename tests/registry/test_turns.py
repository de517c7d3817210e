"""One promotion at a time across machines, by a lock in a real PostgreSQL."""

import threading
import time
from collections.abc import Iterator

import mlflow
import psycopg
import pytest

from ganamis.errors import UserError
from ganamis.registry import turns
from tests.postgres import Server, programs, running

pytestmark = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL is not installed (Debian: apt install postgresql)"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def held(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """Another machine's session that holds the lock of a registry which is reached by HTTP."""
    monkeypatch.setenv(turns.LOCK_VARIABLE, server.url())
    monkeypatch.setattr(mlflow, "get_registry_uri", lambda: "http://127.0.0.1:1")
    monkeypatch.setattr(turns, "WAIT", 0.2)
    with server.connect() as session:
        session.execute("SELECT pg_advisory_lock(%s)", [turns.KEY])
        yield session


def test_a_second_is_told_that_the_first_is_still_at_work(held: psycopg.Connection) -> None:
    with pytest.raises(UserError, match="another promotion or rollback"):
        with turns.alone():
            raise AssertionError("two at once")
    held.execute("SELECT pg_advisory_unlock(%s)", [turns.KEY])
    with turns.alone():
        pass


def test_a_second_waits_for_the_first(
    held: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT", 60)
    threading.Timer(0.5, held.close).start()  # as when the first machine dies
    began = time.monotonic()
    with turns.alone():
        assert 0.4 < time.monotonic() - began < 30


def test_it_is_free_again_after_an_error(
    held: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.close()
    for _ in range(2):
        with pytest.raises(KeyError), turns.alone():
            raise KeyError


def test_a_registry_that_is_a_postgresql_needs_no_variable(
    held: psycopg.Connection, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(turns.LOCK_VARIABLE)
    monkeypatch.setattr(mlflow, "get_registry_uri", server.url)
    with pytest.raises(UserError, match="another promotion"):
        with turns.alone():
            raise AssertionError("two at once")


@pytest.mark.parametrize(
    "address", ["postgresql+psycopg://me:hunter2@127.0.0.1:1/db", "http://me:hunter2@127.0.0.1:1"]
)
def test_a_wrong_address_is_said_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(turns.LOCK_VARIABLE, address)
    with pytest.raises(UserError, match="127.0.0.1") as raised:
        with turns.alone():
            raise AssertionError("no lock")
    assert "hunter2" not in str(raised.value)
