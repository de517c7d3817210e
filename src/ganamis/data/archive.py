"""A ZIP of images, read in place: nothing is unpacked to disk, and nobody is trusted."""

import stat
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from ganamis.data.names import shown
from ganamis.data.source import Skipped, is_litter
from ganamis.errors import UserError

MOST_MEMBERS = 100_000
LARGEST_DIRECTORY = 2**24  # bytes of the list of members
LARGEST_MEMBER = 2**30  # bytes, unpacked
LARGEST_RATIO = 100  # unpacked to packed; images are packed already, volumes shrink tenfold
SMALL = 2**20  # bytes; below, a ratio does no harm
END, END_64, LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"  # APPNOTE.TXT 4.3.14 to 4.3.16
ENCRYPTED = 0x1  # general purpose bit, APPNOTE.TXT 4.4.4
DAMAGED_ZIP = (OSError, ValueError, struct.error, NotImplementedError, zipfile.BadZipFile)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def is_archive(path: Path) -> bool:
    """Whether `path` is a ZIP file."""
    return path.is_file() and zipfile.is_zipfile(path)


@dataclass(frozen=True)
class Bounds:
    """How much is read. member, total: bytes, unpacked, of one file and of all."""

    member: int = LARGEST_MEMBER
    total: int | None = None


OWN = Bounds()  # of an archive that its reader names


@dataclass(frozen=True)
class ArchiveSource:
    """The members of a ZIP file. prefix: the one folder that all of them lie in, or nothing."""

    archive: zipfile.ZipFile
    prefix: str
    bounds: Bounds = OWN

    @classmethod
    def of(
        cls, path: Path, *, keep: str, bounds: Bounds = OWN, name: str | None = None
    ) -> "ArchiveSource":
        """Open an archive; the outermost folder is dropped where `keep` lies directly in it.

        Args:
            name: what messages call it; its path if left out.

        Raises:
            UserError: it is damaged, or larger than is read.
        """
        called = shown(name or str(path))
        try:
            _check_directory(path, called)
            archive = zipfile.ZipFile(path)
        except (
            OSError,
            ValueError,
            struct.error,
            NotImplementedError,
            zipfile.BadZipFile,
        ) as error:
            raise UserError(f"'{called}' is a damaged ZIP file; copy it again") from error
        members = archive.infolist()
        packed, unpacked = path.stat().st_size, sum(member.file_size for member in members)
        if len(members) > MOST_MEMBERS:
            raise _too_large(called, f"{len(members)} members; at most {MOST_MEMBERS} are read")
        if unpacked > max(SMALL, LARGEST_RATIO * packed):
            raise _too_large(called, f"{unpacked} bytes in {packed}; it may be a bomb")
        if bounds.total is not None and unpacked > bounds.total:
            raise UserError(
                f"'{called}' unpacks to {unpacked} bytes; at most {bounds.total} are read"
            )
        tops = {member.filename.partition("/")[0] for member in members}
        tops = {top for top in tops if not is_litter(top)}
        top = f"{tops.pop()}/" if len(tops) == 1 else ""
        inside = any(member.filename.startswith(f"{top}{keep}/") for member in members)
        return cls(archive, top if inside else "", bounds)

    def files(self) -> tuple[list[str], list[Skipped]]:
        """See `Source`."""
        names: dict[str, None] = {}
        skipped = []
        for member in self.archive.infolist():
            name = member.filename
            parts = PurePosixPath(name).parts
            if name.endswith("/") or any(is_litter(p) for p in parts if p != ".."):
                continue
            reason = _why_not(member, self.bounds)
            if not reason and name in names:
                reason = "stands in the archive twice"
            if reason:
                skipped.append(Skipped(shown(name), reason))
            elif name.startswith(self.prefix):
                names[name] = None
        inside = [name.removeprefix(self.prefix) for name in names]
        return sorted(inside), sorted(skipped, key=lambda entry: entry.path)

    def open(self, name: str) -> BinaryIO:
        """See `Source`."""
        return cast(BinaryIO, self.archive.open(self.prefix + name))


def _check_directory(path: Path, called: str) -> None:
    """Look at the size of the list of members before it is read into memory."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 2**16 - 22 - 20))
        tail = stream.read()
        place = tail.rfind(END)
        (size,) = struct.unpack_from("<I", tail, place + 12)
        if tail[place - 20 : place - 16] == LOCATOR_64:
            (offset,) = struct.unpack_from("<Q", tail, place - 12)
            stream.seek(offset)
            record = stream.read(56)
            if not record.startswith(END_64):
                raise ValueError("no end of the central directory")
            (size,) = struct.unpack_from("<Q", record, 40)
    if size > LARGEST_DIRECTORY:
        raise _too_large(called, f"a list of members of {size} bytes")


def _too_large(called: str, what: str) -> UserError:
    return UserError(f"'{called}' holds {what}; unpack it and name the folder")


def _why_not(member: zipfile.ZipInfo, bounds: Bounds) -> str:
    name, mode = member.filename, member.external_attr >> 16
    parts = name.split("/")
    if not name:
        return "has no name; pack it again"
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        return "its name leads out of the archive"
    if stat.S_ISLNK(mode):
        return "is a link; put its target into the archive"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted; unpack it and name the folder"
    if member.compress_type not in METHODS:
        return "is packed in a way that is not read; unpack it and name the folder"
    if member.file_size > bounds.member:
        return f"has {member.file_size} bytes; at most {bounds.member} are read"
    if member.file_size > max(SMALL, LARGEST_RATIO * member.compress_size):
        return "unpacks to more than a hundred times its size"
    return ""
