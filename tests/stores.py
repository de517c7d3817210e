"""Empty MLflow stores, as copies of one: building one goes through every schema MLflow ever had."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from mlflow.store.db import utils
from mlflow.store.db.utils import create_sqlalchemy_engine


def _built(folder: Path) -> Path:
    """The store that the others of this process are copies of, built by MLflow."""
    path = folder / "empty.db"
    if not path.exists():
        engine = create_sqlalchemy_engine(f"sqlite:///{path}")
        BUILD(engine)
        engine.dispose()
    return path


BUILD: Callable[[Any], None] = utils._initialize_tables


def copying(folder: Path) -> Callable[[Any], None]:
    """MLflow's own builder of tables, but of an empty SQLite database it makes a copy."""

    def build(engine: Any) -> None:
        if engine.dialect.name != "sqlite" or not utils._is_empty_database(engine):
            BUILD(engine)
            return
        with (
            closing(sqlite3.connect(_built(folder))) as source,
            closing(sqlite3.connect(engine.url.database)) as target,
        ):
            source.backup(target)

    return build


def write_store(path: Path, folder: Path) -> None:
    """A new store at `path`, for a process that the test starts."""
    shutil.copy(_built(folder), path)
