"""The images of a folder as a model sees them: decoded and embedded in one pass, on all cores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ganamis.clustering.open_world import small_matrices
from ganamis.contracts import Embedded
from ganamis.data.folder import BATCH, Batch, ImageFolder, Item
from ganamis.data.prefetch import CORES, ahead
from ganamis.errors import UserError
from ganamis.model.answer import Attribution
from ganamis.model.fingerprint import FingerprintModel

# Shows the progress of a loop, as `rich.progress.track` does: batches, what it is, how many.
Show = Callable[[Iterable[Any], str, float], Iterable[Any]]
Result = TypeVar("Result")


def in_silence(batches: Iterable[Any], description: str, total: float) -> Iterable[Any]:
    """Show nothing."""
    return batches


def in_batches(embed: Callable[[np.ndarray], Result], images: np.ndarray) -> list[Result]:
    """What `embed` makes of each batch of `[N, H, W]` uint8 images, on all cores."""

    def of_batch(start: int) -> Result:
        return embed(images[start : start + BATCH])

    with small_matrices():
        return list(ahead(of_batch, range(0, len(images), BATCH)))


def embed_images(model: FingerprintModel, images: np.ndarray) -> Embedded:
    """Embed at least one image, `[N, H, W]` uint8, on all cores."""
    return Embedded.concatenate(in_batches(model.embed, images))


def steps(items: Sequence[Item]) -> int:
    """How many batches `ImageFolder.stream` makes of images that can all be read."""
    return -(-len(items) // BATCH)


def lowest(batch: Embedded, count: int) -> Embedded:
    """Of the different images the `count` whose ids come first, in the order of their ids."""
    return batch.rows(np.unique(batch.ids, return_index=True)[1][:count])


@dataclass
class Stream:
    """Images embedded so far, in memory that hardly grows with them.

    sample: how many different images will be searched. means: of all images, batch by batch, one
    view, and no content. whole: of those that may be searched, with all views.
    """

    sample: int
    means: list[Embedded] = field(default_factory=list)
    whole: list[Embedded] = field(default_factory=list)

    def add(self, batch: Embedded) -> None:
        nothing = np.empty((len(batch), 0), dtype=np.float32)
        self.means.append(Embedded(batch.ids, batch.means, nothing, views=1))
        self.whole.append(batch)
        if sum(len(part) for part in self.whole) > 2 * self.sample:
            self.whole = [lowest(Embedded.concatenate(self.whole), self.sample)]

    def answer(self, model: FingerprintModel, *, clusters: int | None) -> Attribution:
        """`FingerprintModel.together` of all images."""
        searched = lowest(Embedded.concatenate(self.whole), self.sample)
        return model.together(Embedded.concatenate(self.means), clusters=clusters, sample=searched)


def embed_folder(
    model: FingerprintModel, opened: ImageFolder, items: Sequence[Item], *, show: Show = in_silence
) -> tuple[list[str], Stream]:
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

    paths, stream = [], Stream(model.backend.settings.sample)
    with small_matrices():
        embedded = ahead(embed, opened.stream(items), pending=2 * CORES)
        for some, batch in show(embedded, "Embedding", steps(items)):
            paths += some
            stream.add(batch)
    if not paths:
        raise UserError("no image could be read:\n  " + "\n  ".join(opened.notes()))
    return paths, stream
