"""From a folder to a checked manifest: identity, duplicates, leakage, labels, statistics."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from ganamis.contracts import DEVELOPMENT, TEST, Manifest
from ganamis.data.content import thumbnails
from ganamis.data.duplicates import close_pairs
from ganamis.data.images import ImageError, pixel_digest, read_gray
from ganamis.data.layout import ImageFile, compare_labels, list_images, read_labels, refusal
from ganamis.errors import UserError

THUMBNAIL = 16  # pixels; near-duplicates are compared at this size
MOST_PAIRS = 1_000_000  # of near-duplicates that are listed


@dataclass(frozen=True)
class CheckedImage:
    """What is kept of one decoded image.

    thumbnail: `[16 * 16]` float32, block means in gray levels.
    """

    file: ImageFile
    id: str
    mode: str
    width: int
    height: int
    mean: float
    contrast: float
    thumbnail: np.ndarray


@dataclass(frozen=True)
class CheckedFolder:
    """A folder that passed every check.

    labels: columns `id`, `path`, `generator` of the test images; None where none were given.
    near_duplicates: columns `first`, `second` (paths) and `difference` (gray levels).
    content: one row per generator, gray levels. decoded: by id, pixels `[H, W]` uint8 of as many
    images as were to be kept.
    """

    manifest: Manifest
    labels: pd.DataFrame | None
    near_duplicates: pd.DataFrame
    content: pd.DataFrame
    decoded: dict[str, np.ndarray]


def check_folder(root: Path, *, size: int, near_duplicate: float, keep: int = 0) -> CheckedFolder:
    """Check every file under `root` and build its manifest.

    Args:
        root: a folder in the ImageCLEF layout.
        size: required width and height in pixels.
        near_duplicate: root mean square difference of 16x16 thumbnails, in gray levels, at or
            below which two images are reported as near-duplicates.
        keep: images at most whose pixels are kept, so that they need not be decoded again.

    Raises:
        UserError: one message that lists every offender with its remedy.
    """
    files, offences = list_images(root)
    labels, label_offences = read_labels(root)
    offences += label_offences
    if labels is not None:
        offences += compare_labels(labels, files)
    decoded: dict[str, np.ndarray] = {}
    checked, image_offences = _check_images(files, size=size, keep=keep, decoded=decoded)
    offences += image_offences + _leaks(checked, labels or {})
    if offences:
        raise UserError(refusal(root, offences))
    return CheckedFolder(
        manifest=Manifest(pd.DataFrame([_row(image) for image in checked])),
        labels=None if labels is None else _label_table(checked, labels),
        near_duplicates=_near_duplicates(checked, limit=near_duplicate),
        content=_content(checked, labels or {}),
        decoded=decoded,
    )


def _check_images(
    files: list[ImageFile], *, size: int, keep: int, decoded: dict[str, np.ndarray]
) -> tuple[list[CheckedImage], list[str]]:
    def check(file: ImageFile) -> CheckedImage | str:
        try:
            pixels, mode = read_gray(file.path, size=size)
        except ImageError as error:
            return f"{file.relative}: {error}"
        image = _describe(file, pixels, mode)
        if len(decoded) < keep:
            decoded[image.id] = pixels
        return image

    with ThreadPoolExecutor() as pool:
        results = list(
            track(pool.map(check, files), total=len(files), description="Checking images")
        )
    checked = [result for result in results if isinstance(result, CheckedImage)]
    return checked, [result for result in results if isinstance(result, str)]


def _describe(file: ImageFile, pixels: np.ndarray, mode: str) -> CheckedImage:
    height, width = pixels.shape
    return CheckedImage(
        file=file,
        id=pixel_digest(pixels),
        mode=mode,
        width=width,
        height=height,
        mean=float(pixels.mean()),
        contrast=float(pixels.std()),
        thumbnail=thumbnails(pixels[None], side=THUMBNAIL)[0],
    )


def _generator(image: CheckedImage, labels: dict[str, str]) -> str | None:
    return image.file.generator or labels.get(image.file.path.name)


def _leaks(checked: Iterable[CheckedImage], labels: dict[str, str]) -> list[str]:
    """The same pixels in development and test, or under two generators."""
    same: dict[str, list[CheckedImage]] = defaultdict(list)
    for image in checked:
        same[image.id].append(image)
    offences = []
    for images in same.values():
        paths = ", ".join(image.file.relative for image in images)
        if len({image.file.split for image in images}) > 1:
            offences.append(f"{paths}: the same image in {DEVELOPMENT} and {TEST}; remove one")
        elif len({_generator(image, labels) for image in images}) > 1:
            offences.append(f"{paths}: the same image under two generators; keep the right one")
    return offences


def _row(image: CheckedImage) -> dict[str, object]:
    return {
        "id": image.id,
        "path": image.file.relative,
        "width": image.width,
        "height": image.height,
        "mode": image.mode,
        "split": image.file.split,
        "generator": image.file.generator,
    }


def _label_table(checked: list[CheckedImage], labels: dict[str, str]) -> pd.DataFrame:
    rows = [
        {"id": image.id, "path": image.file.relative, "generator": labels[image.file.path.name]}
        for image in checked
        if image.file.split == TEST
    ]
    return pd.DataFrame(rows, columns=["id", "path", "generator"])


def _near_duplicates(checked: list[CheckedImage], *, limit: float) -> pd.DataFrame:
    small = np.stack([image.thumbnail for image in checked])
    # Euclidean distance = root mean square x sqrt(16 * 16)
    pairs, distances = close_pairs(small, radius=limit * THUMBNAIL, largest=MOST_PAIRS)
    paths = np.array([image.file.relative for image in checked], dtype=object)
    return pd.DataFrame(
        {
            "first": paths[pairs[:, 0]],
            "second": paths[pairs[:, 1]],
            "difference": (distances / THUMBNAIL).round(3),
        }
    )


def _content(checked: list[CheckedImage], labels: dict[str, str]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "split": [image.file.split for image in checked],
            "generator": [_generator(image, labels) or "unlabelled" for image in checked],
            "mean": [image.mean for image in checked],
            "contrast": [image.contrast for image in checked],
        }
    )
    groups = table.groupby(["split", "generator"])
    content = groups.agg(["mean", "std"]).round(2)
    content.columns = ["_".join(column) for column in content.columns]
    content.insert(0, "images", groups.size())
    return content.reset_index()
