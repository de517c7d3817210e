"""The files of a data set in the ImageCLEF layout, and its table of test labels.

`<root>/development/<generator>/*.png`, `<root>/test/*.png`, optional `<root>/test_labels.csv`.
"""

import csv
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ganamis.contracts import DEVELOPMENT, TEST
from ganamis.data.names import shown
from ganamis.data.source import LEAVES, Links, is_litter
from ganamis.errors import UserError

LABELS_FILE = "test_labels.csv"
LABEL_COLUMNS = ("image", "model")
MINIMUM_GENERATORS = 2
SHOWN_OFFENDERS = 1000
NOT_UTF8 = "its name is not UTF-8; rename it"


@dataclass(frozen=True)
class ImageFile:
    """Where one image lies, and what the layout says of it."""

    path: Path
    relative: str
    split: str
    generator: str | None


def list_images(root: Path) -> tuple[list[ImageFile], list[str]]:
    """List the images under `root` in a fixed order, and everything that is out of place.

    Raises:
        UserError: `root` is not a folder of this layout.
    """
    for part in (DEVELOPMENT, TEST):
        if not (root / part).is_dir():
            raise UserError(
                f"'{root}' has no folder '{part}'; expected {DEVELOPMENT}/<generator>/*.png and "
                f"{TEST}/*.png"
            )
    images: list[ImageFile] = []
    offences: list[str] = []
    generators = []
    for entry in _entries(root / DEVELOPMENT):
        if not _is_utf8(entry):
            offences.append(f"{_relative(root, entry)}: {NOT_UTF8}")
        elif entry.is_dir():
            generators.append(entry.name)
            _collect(root, entry, DEVELOPMENT, entry.name, images, offences)
        else:
            offences.append(f"{_relative(root, entry)}: lies outside a generator's folder; move it")
    _collect(root, root / TEST, TEST, None, images, offences)
    if len(generators) < MINIMUM_GENERATORS:
        offences.append(
            f"{DEVELOPMENT}: has {len(generators)} generator folders, needs at least "
            f"{MINIMUM_GENERATORS}; add labelled images of another generator"
        )
    return images, offences


def _collect(
    root: Path,
    folder: Path,
    split: str,
    generator: str | None,
    images: list[ImageFile],
    offences: list[str],
) -> None:
    before = len(images)
    links = Links(root)
    for path in _entries(folder):
        relative = _relative(root, path)
        if not _is_utf8(path):
            offences.append(f"{relative}: {NOT_UTF8}")
        elif links.leaves(path):
            offences.append(f"{relative}: {LEAVES}")
        elif path.is_dir():
            offences.append(f"{relative}: is a folder; images lie directly in '{folder.name}'")
        elif path.suffix.lower() != ".png":
            offences.append(f"{relative}: is not a .png file; convert it without loss or remove it")
        elif not path.is_file():
            offences.append(f"{relative}: is not a regular file; remove it")
        else:
            images.append(ImageFile(path, relative, split, generator))
    if len(images) == before:
        offences.append(f"{_relative(root, folder)}: holds no usable image; add some or remove it")


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not is_litter(path.name))


def _is_utf8(path: Path) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in path.name)


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def read_labels(root: Path) -> tuple[dict[str, str] | None, list[str]]:
    """Read `test_labels.csv`: file name in `test/` to generator, and what is wrong with it.

    Returns None in place of the labels where there is no such file.
    """
    path = root / LABELS_FILE
    if not path.exists() and not path.is_symlink():
        alike = [entry.name for entry in root.iterdir() if entry.name.lower() == LABELS_FILE]
        return None, [f"{name}: is not read; call it {LABELS_FILE}" for name in sorted(alike)]
    if Links(root).leaves(path):
        return None, [f"{LABELS_FILE}: {LEAVES}"]
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = csv.reader(stream, strict=True)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        return None, [f"{LABELS_FILE}: cannot be read as UTF-8 CSV ({error}); export it again"]
    except ValueError:  # no line at all
        header, rows = [], []
    if not set(LABEL_COLUMNS) <= set(header):
        return None, [
            f"{LABELS_FILE}: expected columns {','.join(LABEL_COLUMNS)}, got '{','.join(header)}'"
        ]
    return _labels(header, [row for row in rows if row])


def _labels(header: list[str], rows: list[list[str]]) -> tuple[dict[str, str], list[str]]:
    image, model = (header.index(column) for column in LABEL_COLUMNS)
    surplus = [
        f"{LABELS_FILE}: image '{row[image]}' has {len(row)} fields for {len(header)} columns; "
        "put names that hold commas in quotes"
        for row in rows
        if len(row) > len(header)
    ]
    filled = [row + [""] * (len(header) - len(row)) for row in rows]
    labels, offences = _unique_labels([(row[image], row[model]) for row in filled])
    return labels, surplus + offences


def _unique_labels(rows: list[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    labels: dict[str, str] = {}
    offences = []
    for image, model in rows:
        if not model.strip():
            offences.append(f"{LABELS_FILE}: image '{image}' has no model; fill it in")
        if image in labels:
            offences.append(f"{LABELS_FILE}: image '{image}' is listed twice; keep one row")
        labels[image] = model.strip()
    return labels, offences


def compare_labels(labels: dict[str, str], images: list[ImageFile]) -> list[str]:
    """Say which labels have no image and which test images have no label."""
    names = {image.path.name for image in images if image.split == TEST}
    unlabelled = sorted(names - labels.keys())
    candidates = {_alike(name): name for name in unlabelled}
    offences = []
    for image in sorted(labels.keys() - names):
        meant = candidates.pop(_alike(image), None)
        remedy = "remove the row or add the image"
        if meant is not None:
            unlabelled.remove(meant)
            same = unicodedata.normalize("NFC", meant) == unicodedata.normalize("NFC", image)
            # Names that differ in how their letters are composed would look alike.
            remedy = f"write {ascii(meant)}" if same else f"write '{meant}'"
            image = ascii(image)[1:-1] if same else image
        offences.append(f"{LABELS_FILE}: image '{image}' is not in {TEST}/; {remedy}")
    return offences + [
        f"{TEST}/{name}: has no row in {LABELS_FILE}; add it, or remove the labels file"
        for name in unlabelled
    ]


def _alike(name: str) -> str:
    """The same for names that are meant to be one: `A1`, `a1.png`, ` a1.PNG`."""
    return unicodedata.normalize("NFC", name).strip().casefold().removesuffix(".png")


def refusal(root: Path, offences: list[str]) -> str:
    """All offences in one message."""
    lines = "\n".join(f"  {shown(offence)}" for offence in offences[:SHOWN_OFFENDERS])
    rest = len(offences) - SHOWN_OFFENDERS
    more = f"\n  ... and {rest} more" if rest > 0 else ""
    return f"'{root}' was refused, nothing was changed; {len(offences)} problems:\n{lines}{more}"
