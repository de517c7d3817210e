"""`deliver`: what a run in MLflow's passing clone wrote, to the folder where the run was started.

`mlflow run <git address>` fetches the project into a folder of its own below the system's temporary
one. Runs, models and the report go to the caller's tracking store by themselves; files do not.
"""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

from ganamis.errors import UserError
from ganamis.files import require, whole_folder
from ganamis.stages.lineage import LOCK
from ganamis.stages.paths import RESULTS


def deliver() -> None:
    """Copy the results to the caller, and say where they are; nothing to do in a lasting folder.

    Raises:
        UserError: there are none; or others are there, which are left as they are, as these are.
    """
    require(RESULTS, stage="report")
    caller = caller_folder()
    if caller is None:
        print(f"Results: '{Path.cwd() / RESULTS}'")
        return
    there = caller / RESULTS
    if taken := [path for path in (there, caller / LOCK) if path.exists()]:
        raise UserError(
            f"'{taken[0]}' exists already; the results of this run are in "
            f"'{Path.cwd() / RESULTS}', which the system may remove: copy them from there"
        )
    with whole_folder(there) as folder:
        shutil.copytree(RESULTS, folder, dirs_exist_ok=True)
    shutil.copy(LOCK, caller)
    print(f"Results: '{there}', and beside it '{LOCK}', which names their bytes")


def caller_folder() -> Path | None:
    """Where `mlflow run` was started, if the working folder is a clone that it made."""
    here = Path.cwd()
    passing = here.parent == Path(tempfile.gettempdir()).resolve()
    if "MLFLOW_RUN_ID" not in os.environ or not passing:
        return None
    for process in psutil.Process().parents():
        try:
            folder = Path(process.cwd())
        except psutil.Error:
            return None
        if folder != here:
            return folder
    return None
