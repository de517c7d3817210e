"""Names that people gave to files, made fit to be written, printed and joined."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def shown(path: str) -> str:
    r"""A file's name as it can be printed and written as UTF-8.

    Bytes that are not UTF-8 and control characters stand as `\xNN`: `caf\xe9.png`.
    """
    readable = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", readable)


def submission_ids(paths: Sequence[str]) -> list[str]:
    """One id per image for the challenge's form, no two alike.

    The file's name without its suffix, as the challenge has it; where that is taken twice, the
    path without its suffix; where that is too, the whole path.
    """
    pure = [PurePosixPath(path) for path in paths]
    candidates = [[p.stem for p in pure], [p.with_suffix("").as_posix() for p in pure]]
    for ids in candidates:
        if len(set(ids)) == len(ids):
            return ids
    return list(paths)


def repeated(names: Sequence[str]) -> list[str]:
    """The names that occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
