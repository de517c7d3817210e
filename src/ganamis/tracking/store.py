"""Where runs and versions are kept: the store's address, and a local store that moves about.

MLflow records the artifacts of a local store by absolute path. Here they lie in `mlruns` beside the
database, wherever that is: `follow` corrects the records of a project that was moved or copied.
"""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ganamis.errors import UserError

VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE, ARTIFACTS = "mlflow.db", "mlruns"
TEMPORARY = (".dvc", "tmp", "exps")  # below it, `dvc exp run --temp` and queues make their copies
# Tables of MLflow 3.17 that hold a path of artifacts: table, key, column.
PATHS = (
    ("experiments", "experiment_id", "artifact_location"),
    ("runs", "run_uuid", "artifact_uri"),
    ("logged_models", "model_id", "artifact_location"),
    ("model_versions", "rowid", "storage_location"),
)
PLACED = re.compile(rf"(file://)?(/.*/{ARTIFACTS})/(\d+(?:/.*)?)")


def store_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or the database of the project in the working folder."""
    given = os.environ.get(VARIABLE)
    if not given:
        return sqlite_uri(project_folder(Path.cwd()) / DATABASE)
    path = local_file(given)
    return given if path is None else sqlite_uri(path)


def project_folder(folder: Path) -> Path:
    """The project that `folder` is, or of which DVC made it a passing copy for an experiment."""
    for parent in folder.parents:
        if parent.parts[-len(TEMPORARY) :] == TEMPORARY:
            return parent.parents[len(TEMPORARY) - 1]
    return folder


def sqlite_uri(path: Path) -> str:
    """The address of an SQLite database, whatever its folders are called.

    Where a name must be quoted, the driver is named as well: from an address that begins with
    `sqlite:///` MLflow makes the folder by its quoted name first.
    """
    text = str(path.absolute())
    quoted = text.replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{text}" if quoted == text else f"sqlite+pysqlite:///{quoted}"


def local_file(uri: str) -> Path | None:
    """The absolute path of an SQLite database, or None for every other store."""
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        return None
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return project_folder(Path.cwd()) / url.database


def shown(uri: str) -> str:
    """A store's address as messages may print it: a short path, or an address without password."""
    path = local_file(uri)
    if path is not None:
        here = project_folder(Path.cwd())
        return str(path.relative_to(here) if path.is_relative_to(here) else path)
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")))


def check_local(path: Path) -> None:
    """Look at a local store before MLflow does, which tries for 100 s.

    Raises:
        UserError: there can be no database, or what is there is none.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"the store's folder {ascii(str(path.parent))} has a name that is not UTF-8; rename it"
        ) from error
    if not path.parent.is_dir():
        raise UserError(
            f"the store's folder '{path.parent}' is missing; create it, or correct {VARIABLE}, "
            "in which a percent sign is written %25"
        )
    if not path.exists():
        if not os.access(path.parent, os.W_OK):
            raise UserError(
                f"'{path.parent}' has no store and cannot be written; make it writable, or set "
                f"{VARIABLE} to a store elsewhere"
            )
        return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise UserError(
            f"the store '{path}' is no database ({error}); put a copy of it back, or move it away "
            "to begin with an empty one"
        ) from error


def follow(path: Path) -> None:
    """Correct the artifact paths of a local store that is no longer where it was.

    New artifacts go beside the database. A recorded path is changed where its files are beside the
    database now, or nowhere while the rest of its experiment is; where a database alone was copied,
    what is recorded stays.

    Raises:
        UserError: the store was moved and cannot be written.
    """
    here = path.parent / ARTIFACTS
    try:
        with closing(sqlite3.connect(path, timeout=20)) as database, database:
            for table, key, column in PATHS:
                rows = database.execute(f"select {column}, {key} from {table}").fetchall()
                always = table == "experiments"
                placed = [(_place(location, here, always=always), row) for location, row in rows]
                if changed := [each for each in placed if each[0] is not None]:
                    write = f"update {table} set {column} = ? where {key} = ?"
                    database.executemany(write, changed)
    except sqlite3.Error as error:
        raise UserError(
            f"the project was moved, and its store '{path}' cannot be corrected ({error}); make it "
            "writable and run the command again"
        ) from error


def _place(location: str | None, here: Path, *, always: bool) -> str | None:
    """Where artifacts lie now, or None where the record is right."""
    found = PLACED.fullmatch(location or "")
    if found is None:
        return None
    quoted, root, rest = found.groups()
    root, now = unquote(root) if quoted else root, here / rest
    if root == str(here) and (quoted or recorded(now) == location):
        return None
    experiment = rest.split("/")[0]
    lost = (here / experiment).is_dir() and not Path(root, rest).exists()
    return recorded(now) if always or lost or now.exists() else None


def misread(path: Path) -> bool:
    """Whether MLflow reads another path: `%20` is a quoted character to it."""
    return unquote(str(path)) != str(path)


def recorded(folder: Path) -> str:
    """How MLflow is told of a folder."""
    return folder.as_uri() if misread(folder) else str(folder)
