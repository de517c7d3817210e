"""The images of a folder as a model sees them: decoded and embedded in one pass, on all cores."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ganamis.clustering.open_world import small_matrices
from ganamis.contracts import Embedded
from ganamis.data.folder import BATCH, Batch, ImageFolder, Item
from ganamis.data.prefetch import CORES, ahead
from ganamis.errors import UserError
from ganamis.model.fingerprint import FingerprintModel

# Shows the progress of a loop, as `rich.progress.track` does: batches, what it is, how many.
Show = Callable[[Iterable[Any], str, float], Iterable[Any]]


def in_silence(batches: Iterable[Any], description: str, total: float) -> Iterable[Any]:
    """Show nothing."""
    return batches


def embed_images(model: FingerprintModel, images: np.ndarray) -> Embedded:
    """Embed at least one image, `[N, H, W]` uint8, on all cores."""

    def embed(start: int) -> Embedded:
        return model.embed(images[start : start + BATCH])

    with small_matrices():
        return Embedded.concatenate(list(ahead(embed, range(0, len(images), BATCH))))


def steps(items: Sequence[Item]) -> int:
    """How many batches `ImageFolder.stream` makes of images that can all be read."""
    return -(-len(items) // BATCH)


def embed_folder(
    model: FingerprintModel, opened: ImageFolder, items: Sequence[Item], *, show: Show = in_silence
) -> tuple[list[str], Embedded]:
    """Embed images of an opened folder.

    A batch is embedded by one thread: extractors let go of the interpreter nearly all the time, and
    whole batches side by side leave no core waiting for the other.

    Returns:
        The paths, as shown, and the embeddings, in the same order.

    Raises:
        UserError: no image can be read.
    """

    def embed(batch: Batch) -> tuple[tuple[str, ...], Embedded]:
        return batch.paths, model.embed(batch.images, batch.ids)

    with small_matrices():
        embedded = ahead(embed, opened.stream(items), pending=2 * CORES)
        parts = list(show(embedded, "Embedding", steps(items)))
    if not parts:
        raise UserError("no image could be read:\n  " + "\n  ".join(opened.notes()))
    paths = [path for some, _ in parts for path in some]
    return paths, Embedded.concatenate([part for _, part in parts])
