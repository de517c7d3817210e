"""From Python: load a model, attribute images or a folder of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganamis.contracts import Embedded
from ganamis.data.folder import open_folder
from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.model.answer import Attribution
from ganamis.model.fingerprint import FingerprintModel
from ganamis.stages.models import choose_model

BATCH = 128  # images decoded at once


def load(model: str | Path | None = None) -> FingerprintModel:
    """Load a model.

    Args:
        model: a registered one, such as `models:/ganamis@champion`, or the folder of a stored
            one. None takes the champion of the store at hand (`MLFLOW_TRACKING_URI`, or mlflow.db
            in the working folder), else the model that ships with the package.

    Raises:
        UserError: there is no such model.
    """
    return choose_model(None if model is None else str(model)).model


def attribute(
    images: np.ndarray | str | Path,
    *,
    model: FingerprintModel | None = None,
    clusters: int | None = None,
    reading: Reading | None = None,
) -> Attribution:
    """Attribute images together: how many generators made them, and which made which.

    Args:
        images: `[N, H, W]` uint8 gray levels, or a folder or ZIP of image
            files, at any depth.
        model: that answers; None for `load()`.
        clusters: how many generators, or None to find out.
        reading: what is to be said of a folder, such as `parse_reading(window="lung")`.

    Returns:
        One answer per image, in the order given; of a folder, in the order of the sorted paths,
        which `Attribution.ids` then holds in place of the digests of the pixels.

    Raises:
        UserError: images that cannot be read, or fewer images than clusters.
    """
    chosen = model or load()
    if isinstance(images, np.ndarray):
        _check(images)
        starts = range(0, len(images), BATCH)
        parts = [chosen.embed(images[start : start + BATCH]) for start in starts]
        return chosen.together(_joined(parts), clusters=clusters)
    opened = open_folder(Path(images), reading=reading or Reading())
    paths: list[str] = []
    parts = []
    for batch in opened.stream(opened.asked, batch=BATCH):
        paths += batch.paths
        parts.append(chosen.embed(batch.images, batch.ids))
    return chosen.together(_joined(parts), clusters=clusters).called(paths)


def _check(images: np.ndarray) -> None:
    if images.ndim != 3 or images.dtype != np.uint8:
        raise UserError(
            f"expected images of shape [N, H, W] and dtype uint8, got {list(images.shape)} and "
            f"{images.dtype}; stack gray images of one size, without rescaling their levels"
        )


def _joined(parts: Sequence[Embedded]) -> Embedded:
    if not parts:
        raise UserError("there is no image to attribute")
    return Embedded.concatenate(parts)
