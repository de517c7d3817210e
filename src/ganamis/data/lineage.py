"""The digest by which DVC knows a data set, and where DVC keeps its files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ganamis.errors import UserError

if TYPE_CHECKING:
    from dvc.repo import Repo


@contextmanager
def dvc_project() -> Iterator["Repo"]:
    """The DVC repository we stand in; what DVC raises meanwhile is left to the caller.

    Raises:
        UserError: there is none, or it lacks the git repository that it was made for.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        repository = Repo()
    except NotDvcRepoError as error:
        raise UserError(
            "this folder has no .dvc; go to the project's folder, or run `git init` and `dvc init`"
        ) from error
    except SCMError as error:
        raise UserError(
            "the project is no git repository (an unpacked archive is none); run `git init`, or "
            "`dvc config --local core.no_scm true`"
        ) from error
    with repository:
        yield repository


def data_digest(root: Path) -> str:
    """DVC's digest of the tracked folder `root`: an md5 and `.dir`, 36 characters.

    Raises:
        UserError: DVC does not track the folder, or it changed since it was recorded.
    """
    from dvc.exceptions import DvcException, OutputNotFoundError

    try:
        with dvc_project() as repository:
            (out,) = repository.find_outs_by_path(str(root), strict=True)
            recorded = out.hash_info.value
            changed = recorded is None or out.changed_checksum()
    except OutputNotFoundError as error:
        raise UserError(
            f"'{root}' is not under DVC; run `ganamis import <folder>`, or `dvc add {root}` if "
            "the data are already there"
        ) from error
    except DvcException as error:
        raise UserError(f"DVC cannot read what it knows of '{root}': {error}") from error
    if changed or recorded is None:
        raise UserError(
            f"'{root}' differs from what DVC recorded; run `dvc add {root}` if the change is meant"
        )
    return recorded


def add_to_dvc(root: Path) -> None:
    """Put a folder under DVC.

    Raises:
        UserError: there is no DVC repository here, or DVC refused.
    """
    from dvc.exceptions import DvcException

    try:
        with dvc_project() as repository:
            repository.add(str(root))
    except DvcException as error:
        raise UserError(f"DVC could not add '{root}': {error}") from error


def project_cache() -> Path | None:
    """Where DVC keeps the files of the project we stand in; None outside of one.

    Never the cache that some other folder claims to have: a stranger's folder may claim any.
    """
    here = Path.cwd().resolve()
    inside = any((folder / ".dvc").is_dir() for folder in (here, *here.parents))
    return _cache_of(here) if inside else None


@cache
def _cache_of(folder: Path) -> Path | None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(folder) as repository:
            return Path(repository.cache.local.path).resolve()
    except DvcException:
        return None
