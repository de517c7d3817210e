"""Where files come from, whatever lies beside them: a folder at any depth."""

import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from ganamis.data.lineage import project_cache
from ganamis.data.names import shown
from ganamis.errors import UserError

LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})  # lower case; beside names in dots
LEAVES = "is a link that leaves the folder; copy its target here"
NOT_REGULAR = "is not a regular file; remove it"


@dataclass(frozen=True)
class Skipped:
    """A file that is not answered for: its path as shown, and why."""

    path: str
    reason: str


class Source(Protocol):
    """Files by name: relative, with forward slashes; bytes that are not UTF-8 as surrogates."""

    def files(self) -> tuple[list[str], list[Skipped]]:
        """The names in a fixed order, litter left out, and what no file can be read from."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open one file to read and to seek in.

        Raises:
            OSError: it cannot be opened.
        """
        ...


def is_litter(name: str) -> bool:
    """Whether one part of a path is what operating systems leave: `.DS_Store`, `._x`, ..."""
    return name.startswith(".") or name.lower() in LITTER


@dataclass(frozen=True)
class Links:
    """Which links may be followed: those that stay in the folder, or lead to our own data.

    A folder under DVC may consist of links to DVC's cache (`cache.type symlink`).
    """

    root: Path
    own: Callable[[], Path | None] = field(default=project_cache)

    @cached_property
    def _boundary(self) -> Path:
        return self.root.resolve()

    def leaves(self, path: Path) -> bool:
        """Whether following `path` ends outside the folder, in something that is not ours."""
        target = path.resolve()
        if target.is_relative_to(self._boundary):
            return False
        cache = self.own()
        return cache is None or not target.is_relative_to(cache)


@dataclass(frozen=True)
class FolderSource:
    """The files below a folder, at any depth."""

    root: Path

    def files(self) -> tuple[list[str], list[Skipped]]:
        """See `Source`; links to folders are not followed, they may lead in circles."""
        links = Links(self.root)
        names: list[str] = []
        skipped: list[Skipped] = []
        unread: list[OSError] = []
        for here, folders, files in os.walk(self.root, onerror=unread.append):
            base = Path(here)
            folders[:] = sorted(name for name in folders if not is_litter(name))
            linked = [name for name in folders if (base / name).is_symlink()]
            for name in linked + [name for name in files if not is_litter(name)]:
                path = base / name
                relative = path.relative_to(self.root).as_posix()
                reason = "is a link to a folder; copy it here" if name in linked else ""
                reason = reason or _why_not(path, links)
                if reason:
                    skipped.append(Skipped(shown(relative), reason))
                else:
                    names.append(relative)
        if unread:
            where = "".join(f"\n  {shown(os.fsdecode(e.filename))}: {e.strerror}" for e in unread)
            raise UserError(f"folders that cannot be read; check their rights:{where}")
        return sorted(names, key=os.fsencode), sorted(skipped, key=lambda entry: entry.path)

    def open(self, name: str) -> BinaryIO:
        """See `Source`."""
        return (self.root / PurePosixPath(name)).open("rb")


def _why_not(path: Path, links: Links) -> str:
    if path.is_symlink() and links.leaves(path):
        return LEAVES
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError:
        regular = False
    return "" if regular else NOT_REGULAR


@dataclass(frozen=True)
class OneFile:
    """A file whose content is at hand."""

    name: str
    content: bytes

    def files(self) -> tuple[list[str], list[Skipped]]:
        """See `Source`."""
        return [self.name], []

    def open(self, name: str) -> BinaryIO:
        """See `Source`."""
        return io.BytesIO(self.content)
