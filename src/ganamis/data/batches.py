"""Pixels by image id: everything at once for training, in batches for embedding."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from ganamis.data.images import pixel_digest, read_gray
from ganamis.data.prefetch import ahead
from ganamis.errors import UserError


def stream_images(
    root: Path, rows: pd.DataFrame, *, batch: int, decoded: dict[str, np.ndarray] | None = None
) -> Iterator[np.ndarray]:
    """Yield uint8 `[<= batch, H, W]` in the order of `rows`, checked against the rows' ids.

    Args:
        decoded: pixels by id of images that need not be read.

    Raises:
        UserError: files that are no longer the ones the manifest names.
    """

    def read(entry: tuple[str, str, int]) -> np.ndarray | str:
        path, identity, size = entry
        if decoded and identity in decoded:
            return decoded[identity]
        try:
            pixels, _ = read_gray(root / path, size=size)
        except UserError as error:
            return f"{path}: {error}"
        return pixels if pixel_digest(pixels) == identity else f"{path}: has other pixels"

    entries = zip(rows["path"], rows["id"], rows["width"], strict=True)
    images = ahead(read, entries)
    while part := list(islice(images, batch)):
        changed = [image for image in part if isinstance(image, str)]
        if changed:
            listing = "\n  ".join(changed)
            raise UserError(
                f"images differ from the manifest; run `ganamis ingest` again:\n  {listing}"
            )
        yield np.stack([image for image in part if not isinstance(image, str)])


def load_images(
    root: Path, rows: pd.DataFrame, *, decoded: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    """All images of `rows` as uint8 `[N, H, W]`, in the order of `rows`; see `stream_images`."""
    return np.concatenate(list(stream_images(root, rows, batch=256, decoded=decoded)))
