"""Writing a result whole or not at all: a temporary name first, then one rename."""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganamis.errors import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; rename it to `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; swap it in for `path` when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.replace(old)
        try:
            temporary.replace(path)
        except OSError:
            if old.exists():
                old.replace(path)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def try_output(path: Path, *, folder: bool) -> None:
    """Try whether `path` could be written, before the work whose result it is to hold.

    Args:
        folder: it is to be a folder, which `whole_folder` swaps in; else a file.

    Raises:
        UserError: it could not.
    """
    if path.is_dir() and not folder:
        raise UserError(f"'{path}' is a folder; name a file in it, such as '{path / 'out.csv'}'")
    if folder and path.exists() and not path.is_dir():
        raise UserError(f"'{path}' is a file; name a folder, or remove it first")
    place = path.absolute().parent
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise UserError(f"'{path}' cannot be written: '{place}' is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise UserError(
            f"'{path}' cannot be written ({error}); name another place, or change its rights"
        ) from error


def keep_apart(outputs: Sequence[Path | None], *, source: Path) -> None:
    """Make sure that no file to be written replaces what is read, or another one.

    Args:
        outputs: those that are not wanted are None.

    Raises:
        UserError: two are one.
    """
    seen = {source.resolve()}
    for path in outputs:
        if path is not None and path.resolve() in seen:
            raise UserError(f"'{path}' is named twice, and would be overwritten; name another file")
        seen |= {path.resolve()} if path is not None else set()


def try_own_folder(path: Path, *, mark: str) -> None:
    """`try_output` of a folder that a person names, and that may be somebody's already.

    Args:
        mark: a file that what we write there holds.

    Raises:
        UserError: it cannot be written, or holds something else, which would be lost.
    """
    try_output(path, folder=True)
    if path.is_dir() and any(path.iterdir()) and not (path / mark).is_file():
        raise UserError(f"'{path}' holds other files, which would be lost; name a new folder")


@contextmanager
def resuming(path: Path, *, what: str) -> Iterator[None]:
    """Read what an interrupted run left at `path`; if that is damaged, say so.

    Args:
        what: is computed anew where it is removed, such as `the search`.

    Raises:
        UserError: it cannot be read.
    """
    try:
        yield
    except (OSError, ValueError, TypeError, LookupError, AssertionError, EOFError) as error:
        damage = f"{type(error).__name__}: {error}".splitlines()[0]
    except zipfile.BadZipFile as error:
        damage = str(error)
    else:
        return
    raise UserError(
        f"'{path}', from which an interrupted run would go on, is damaged ({damage}); remove it, "
        f"and {what} begins anew"
    )


def whole_lines(path: Path) -> Path:
    """Cut off a last line that was being written when power or disk ran out; return `path`."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return path


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path, *, stage: str) -> Any:
    """Read JSON that `stage` wrote.

    Raises:
        UserError: the file is missing; the message names the stage that makes it.
    """
    require(path, stage=stage)
    return json.loads(path.read_text(encoding="utf-8"))


def require(path: Path, *, stage: str) -> Path:
    """Return `path`, or say which stage makes it.

    Raises:
        UserError: `path` does not exist.
    """
    if not path.exists():
        raise UserError(f"'{path}' is missing; run `ganamis {stage}` (or `dvc repro`) first")
    return path
