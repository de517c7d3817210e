"""What images a folder (or ZIP) holds: its files and their headers, and no pixel yet."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ganamis.contracts import DEVELOPMENT, TEST
from ganamis.data.archive import ArchiveSource, is_archive
from ganamis.data.folder import ImageFolder, Item
from ganamis.data.formats import look
from ganamis.data.images import ImageError
from ganamis.data.layout import LABELS_FILE, refusal
from ganamis.data.names import repeated, shown
from ganamis.data.prefetch import ahead
from ganamis.data.reading import Format, Look, Reading, UnsaidError, check_look, size_name
from ganamis.data.source import FolderSource, Skipped, Source
from ganamis.errors import UserError

NO_GENERATOR = "lies outside a generator's folder; move it"
OUTSIDE = f"lies outside of {DEVELOPMENT}/ and {TEST}/"

Looked = tuple[Format, Look] | str | UnsaidError


def open_folder(root: Path, *, reading: Reading, source: Source | None = None) -> ImageFolder:
    """List the images of a folder and read their headers, and no pixel yet.

    Args:
        root: the folder or ZIP.
        source: where its files come from; what lies at `root` if left out.

    Raises:
        UserError: no folder, no image in it, sizes that differ, or (of a labelled folder) files
            that are out of place; all of them at once, with the remedy.
    """
    source = source or _source(root)
    names, skipped = source.files()
    _refuse_same_names(names)
    taught = [name for name in names if _generator(name) is not None]
    asked = _asked(names, skipped) if taught else names
    looked = list(ahead(partial(_look, source, reading), [*taught, *asked]))
    _refuse_unsaid(root, looked)
    skipped += [Skipped(shown(name), found) for name, found in looked if isinstance(found, str)]
    found = [(name, *seen) for name, seen in looked if isinstance(seen, tuple)]
    if taught:
        _refuse_labelled(root, skipped)
    size, found = _one_size(root, found, reading, skipped)
    items = [item for entry in found for item in _items(*entry)]
    return ImageFolder(
        root=root,
        source=source,
        reading=reading,
        size=size,
        taught=tuple(item for item in items if item.generator is not None),
        asked=tuple(item for item in items if item.generator is None),
        skipped=skipped,
    )


def _source(root: Path) -> Source:
    if root.is_dir():
        return FolderSource(root)
    if is_archive(root):
        return ArchiveSource.of(root, keep=DEVELOPMENT)
    raise UserError(
        f"'{shown(str(root))}' is neither a folder nor a ZIP file; name a folder of images"
    )


def _refuse_same_names(names: list[str]) -> None:
    twice = repeated([shown(name) for name in names])
    if twice:
        listing = ", ".join(f"'{name}'" for name in twice)
        raise UserError(f"different files whose names are written alike: {listing}; rename them")


def _generator(name: str) -> str | None:
    """The generator in whose folder a file lies, at any depth."""
    first, *rest = name.split("/")
    return shown(rest[0]) if first == DEVELOPMENT and len(rest) > 1 else None


def _asked(names: list[str], skipped: list[Skipped]) -> list[str]:
    """The files of a labelled folder that are to be attributed; the others join the skipped."""
    others = [name for name in names if _generator(name) is None and name != LABELS_FILE]
    tested = any(name.startswith(f"{TEST}/") for name in others)
    asked = []
    for name in others:
        if name.startswith(f"{DEVELOPMENT}/"):
            skipped.append(Skipped(shown(name), NO_GENERATOR))
        elif name.lower() == LABELS_FILE:
            skipped.append(Skipped(shown(name), f"is not read; call it {LABELS_FILE}"))
        elif tested and not name.startswith(f"{TEST}/"):
            skipped.append(Skipped(shown(name), OUTSIDE))
        else:
            asked.append(name)
    return asked


def _look(source: Source, reading: Reading, name: str) -> tuple[str, Looked]:
    try:
        format, seen = look(source, name, reading)
        check_look(seen)
    except ImageError as error:
        return name, str(error)
    except UnsaidError as error:
        return name, error
    return name, (format, seen)


def _refuse_unsaid(root: Path, looked: list[tuple[str, Looked]]) -> None:
    unsaid: dict[str, list[str]] = {}
    for name, found in looked:
        if isinstance(found, UnsaidError):
            unsaid.setdefault(str(found), []).append(shown(name))
    if unsaid:
        lines = "".join(
            f"\n  {len(names)} files, first '{names[0]}': {why}" for why, names in unsaid.items()
        )
        where = shown(str(root))
        raise UserError(f"'{where}' holds files that can be read once you say how:{lines}")


def _refuse_labelled(root: Path, skipped: list[Skipped]) -> None:
    offences = [
        f"{entry.path}: {entry.reason}"
        for entry in skipped
        if entry.path.split("/")[0] in (DEVELOPMENT, TEST)
    ]
    if offences:
        raise UserError(refusal(root, offences))


Found = tuple[str, Format, Look]


def _one_size(
    root: Path, found: list[Found], reading: Reading, skipped: list[Skipped]
) -> tuple[tuple[int, int], list[Found]]:
    counts = Counter[tuple[int, int]]()
    for _, _, seen in found:
        counts[seen.width, seen.height] += seen.frames
    if not counts:
        why = "".join(f"\n  {entry.path}: {entry.reason}" for entry in skipped[:10])
        raise UserError(f"'{shown(str(root))}' holds no image that can be read{why}")
    listing = ", ".join(f"{count} of {size_name(size)}" for size, count in counts.most_common())
    if reading.size is None and len(counts) > 1:
        raise UserError(
            f"'{shown(str(root))}' holds images of different sizes: {listing}; choose one by "
            f"--size {size_name(counts.most_common(1)[0][0])}, and do not resize: resizing "
            "destroys the fingerprint"
        )
    size = reading.size or next(iter(counts))
    if size not in counts:
        raise UserError(f"no image has the size {size_name(size)} of --size; there are {listing}")
    skipped += [
        Skipped(shown(name), f"has {seen.width}x{seen.height} pixels; {size_name(size)} was chosen")
        for name, _, seen in found
        if (seen.width, seen.height) != size
    ]
    return size, [entry for entry in found if (entry[2].width, entry[2].height) == size]


def _items(name: str, format: Format, seen: Look) -> Iterator[Item]:
    digits = len(str(seen.frames - 1))  # so that names are in the order of the frames
    for frame in range(seen.frames):
        path = shown(name) if seen.frames == 1 else f"{shown(name)}[{frame:0{digits}}]"
        yield Item(path, name, format, frame, _generator(name))
