"""A folder whose images' generators are known: what a benchmark scores against."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganamis.contracts import TEST
from ganamis.data.folder import ImageFolder, Item
from ganamis.data.layout import LABELS_FILE, read_labels
from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading
from ganamis.errors import UserError

LEAST_GENERATORS = 2


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with their generators, each image once.

    images: `[N, H, W]` uint8. generators: `[N]` str. taught, taught_generators: `[M, H, W]` and
    `[M]`, those of `development/`, none where there is none.
    """

    name: str
    images: np.ndarray
    generators: np.ndarray
    taught: np.ndarray
    taught_generators: np.ndarray


def read_labelled(root: Path) -> LabelledImages:
    """Read a folder in the ImageCLEF layout with labels, or one with a folder per generator.

    Raises:
        UserError: images that cannot be read, or whose generator is not known.
    """
    opened = open_folder(root, reading=Reading())
    labels, offences = read_labels(root)
    if offences:
        raise UserError(f"'{root}' was refused:\n  " + "\n  ".join(offences))
    if opened.labelled and labels is None:
        raise UserError(f"'{root}' has no {LABELS_FILE}; a benchmark needs labels to score")
    taught, taught_generators = _images(opened, opened.taught, None)
    images, generators = _images(opened, opened.asked, labels)
    if len(set(generators.tolist())) < LEAST_GENERATORS:
        raise UserError(
            f"'{root}' has {len(set(generators.tolist()))} generators to score; expected "
            f"{LABELS_FILE}, or at least {LEAST_GENERATORS} folders, one for each generator"
        )
    return LabelledImages(root.resolve().name, images, generators, taught, taught_generators)


def _images(
    opened: ImageFolder, items: tuple[Item, ...], labels: dict[str, str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and generators, each image once, ordered by the digests of the pixels."""
    found = opened.whole(opened.stream(items))
    pairs = zip(found.paths, found.generators, strict=True)
    names = [generator or _generator(path, labels) for path, generator in pairs]
    return found.images, np.array(names, dtype=str)


def _generator(path: str, labels: dict[str, str] | None) -> str:
    name = path.removeprefix(f"{TEST}/")
    if labels is not None:
        if name not in labels:
            raise UserError(f"'{path}' has no row in {LABELS_FILE}; add it")
        return labels[name]
    folder, separator, _ = path.partition("/")
    if not separator:
        raise UserError(f"'{path}' lies in no generator's folder; move it into one")
    return folder
