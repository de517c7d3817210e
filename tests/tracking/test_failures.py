"""Each way in which a store fails: one sentence, soon, with the remedy for that cause."""

import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import mlflow
import pytest

from ganamis.__main__ import main
from ganamis.errors import UserError
from ganamis.tracking import failures, runs
from ganamis.tracking.store import VARIABLE

QUICK = 20  # seconds; MLflow alone goes on for more than 100


def refused(matching: str) -> str:
    """What `connect` says of a store that cannot be used."""
    started = time.monotonic()
    with pytest.raises(UserError, match=matching) as caught:
        runs.connect()
    assert time.monotonic() - started < QUICK
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody answers at, and that nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def stranger() -> Iterator[str]:
    """A server that is none of MLflow's."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_that_is_down(
    workplace: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"http://me:secret@127.0.0.1:{closed_port}")
    assert "secret" not in refused("does not answer.*start it again, or set MLFLOW_TRACKING_URI")


def test_a_server_of_something_else(
    workplace: Path, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, stranger)
    refused("is not an MLflow server that is ready.*check the address")


def test_a_database_server_that_is_down(
    workplace: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv(VARIABLE, f"postgresql+psycopg://me:secret@127.0.0.1:{closed_port}/x")
    assert "secret" not in refused("does not answer.*start the database again")


def test_an_address_that_is_none(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgrr://host/x")
    refused("is no address of a store.*correct it")


def test_a_plain_folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("file:./mlruns", str(workplace)):
        monkeypatch.setenv(VARIABLE, address)
        refused("no longer keeps stores in plain folders.*migrate-filestore")


def test_a_deleted_experiment(workplace: Path) -> None:
    number = runs.connect()
    mlflow.MlflowClient().delete_experiment(number)
    said = refused(f"was deleted.*mlflow experiments restore --experiment-id {number}")
    assert "sqlite:///" in said
    mlflow.MlflowClient().restore_experiment(number)
    assert runs.connect() == number


@pytest.mark.parametrize(
    ("revision", "matching"),
    [
        pytest.param("ffffffffffff", "by a newer MLflow than.*install that one", id="newer"),
        pytest.param("181f10493468", "by an older MLflow.*mlflow db upgrade 'sqlite", id="older"),
    ],
)
def test_a_store_of_another_mlflow(
    workplace: Path, tmp_path: Path, revision: str, matching: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.connect()
    other = tmp_path / "other"  # MLflow keeps open what it has opened
    other.mkdir()
    shutil.copy("mlflow.db", other)
    monkeypatch.chdir(other)
    monkeypatch.setenv(VARIABLE, "")
    with sqlite3.connect("mlflow.db") as database:
        database.execute("update alembic_version set version_num = ?", [revision])
    database.close()
    refused(matching)


def test_a_file_that_is_no_database(workplace: Path) -> None:
    (workplace / "mlflow.db").write_bytes(b"not a database " * 100)
    refused("is no database.*put a copy of it back, or move it away")


def test_a_folder_where_the_store_should_be(workplace: Path) -> None:
    (workplace / "mlflow.db").mkdir()
    refused("is no database")


def test_a_store_in_a_missing_folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"sqlite:///{workplace}/50%25/mlflow.db")
    refused("is missing; create it, or correct MLFLOW_TRACKING_URI")
    assert not list(workplace.iterdir())


def test_a_store_in_a_folder_whose_name_is_no_text(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workplace / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    monkeypatch.chdir(folder)
    refused(r"caf\\udce9' has a name that is not UTF-8; rename it")
    assert not list(folder.iterdir())


def test_a_store_that_cannot_be_written(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.connect()

    def read_only(*args: object, **settings: object) -> None:
        raise mlflow.MlflowException("attempt to write a readonly database")

    monkeypatch.setattr(mlflow.MlflowClient, "search_runs", read_only)
    with pytest.raises(UserError, match="cannot be written; make it writable"):
        with runs.stage_run("ingest", name="tiny", params={}, tags={}):
            pass


def test_a_server_that_stops_while_a_stage_runs(
    workplace: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="stopped answering.*run the command again"):
        with failures.store_errors():
            mlflow.MlflowClient(f"http://127.0.0.1:{closed_port}").get_run("0" * 32)


def test_other_errors_pass(workplace: Path) -> None:
    with pytest.raises(ZeroDivisionError), failures.store_errors():
        1 // 0  # noqa: B018


def test_the_command_says_so_in_one_line(
    workplace: Path,
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{closed_port}")
    monkeypatch.setattr("sys.argv", ["ganamis", "rollback"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("ganamis: the tracking server at") and said.count("\n") == 1
