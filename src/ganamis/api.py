"""From Python: load a model, attribute images or a folder of them."""

from pathlib import Path

import numpy as np

from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.model.answer import Attribution
from ganamis.model.embedding import embed_folder, embed_images
from ganamis.model.fingerprint import FingerprintModel
from ganamis.registry.choice import choose_model


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
        return chosen.together(embed_images(chosen, images), clusters=clusters)
    opened = open_folder(Path(images), reading=reading or Reading())
    paths, stream = embed_folder(chosen, opened, opened.asked)
    return stream.answer(chosen, clusters=clusters).called(paths)


def _check(images: np.ndarray) -> None:
    if images.ndim != 3 or images.dtype != np.uint8:
        raise UserError(
            f"expected images of shape [N, H, W] and dtype uint8, got {list(images.shape)} and "
            f"{images.dtype}; stack gray images of one size, without rescaling their levels"
        )
    if not len(images):
        raise UserError("there is no image to attribute")
