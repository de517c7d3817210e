"""What `attribute` and the page of `serve` share: an opened folder in, its answer out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ganamis.contracts import TEST, Embedded
from ganamis.data.folder import Batch, ImageFolder, Item
from ganamis.data.names import shown
from ganamis.errors import UserError
from ganamis.model.answer import Attribution
from ganamis.model.catalogue import taught
from ganamis.model.fingerprint import FingerprintModel
from ganamis.stages.models import Chosen

AUTO = "auto"
COLUMNS = ("image", "cluster", "generator", "known", "score")
BATCH = 128  # images decoded at once


@dataclass(frozen=True, eq=False)
class Answered:
    """What a model found in a folder.

    model: which answered; called: its name. paths: N, in the order of the answer. given: the
    number of clusters was told.
    """

    opened: ImageFolder
    model: FingerprintModel
    called: str
    paths: Sequence[str]
    found: Attribution
    given: bool


# Shows the progress of a loop, as `rich.progress.track` does: batches, what it is, how many.
Show = Callable[[Iterable[Batch], str, float], Iterable[Batch]]


def in_silence(batches: Iterable[Batch], description: str, total: float) -> Iterable[Batch]:
    """Show nothing."""
    return batches


def answer(
    opened: ImageFolder, chosen: Chosen, *, clusters: int | None, show: Show = in_silence
) -> Answered:
    """Attribute a folder's images together; those in `development/` teach the model first.

    Args:
        clusters: how many generators; None to find out.

    Raises:
        UserError: no image can be read, or fewer images than clusters.
    """
    if not opened.asked:
        where = shown(str(opened.root))
        raise UserError(f"'{where}' holds only images that teach; add those to be attributed")
    model = _taught(chosen.model, opened, show)
    paths, batch = _embedded(model, opened, show)
    found = model.together(batch, clusters=clusters)
    return Answered(opened, model, chosen.name, paths, found, clusters is not None)


def answer_table(answered: Answered) -> pd.DataFrame:
    """One row per file, in the order of the paths: `COLUMNS`."""
    names = [path.removeprefix(f"{TEST}/") for path in answered.paths]
    table = answered.found.to_pandas().assign(image=names)
    return table[list(COLUMNS)].sort_values("image", ignore_index=True)


def parse_clusters(clusters: str) -> int | None:
    """The number that `--clusters` says, None for `auto`.

    Raises:
        UserError: it is neither.
    """
    if clusters == AUTO:
        return None
    if not clusters.isdigit() or int(clusters) < 1:
        raise UserError(f"--clusters is '{clusters}'; expected {AUTO} or a whole number from 1")
    return int(clusters)


def _taught(model: FingerprintModel, opened: ImageFolder, show: Show) -> FingerprintModel:
    """The model with the generators of `development/`, where there are any."""
    if not opened.labelled:
        return model
    batches = list(_batches(opened, opened.taught, "Learning", show))
    _, first = np.unique(np.concatenate([batch.ids for batch in batches]), return_index=True)
    images = np.concatenate([batch.images for batch in batches])[first]
    generators = np.array([name for batch in batches for name in batch.generators])[first]
    return taught(model, images, generators)


def _embedded(
    model: FingerprintModel, opened: ImageFolder, show: Show
) -> tuple[list[str], Embedded]:
    """The paths of the images asked for, and their embeddings."""
    paths: list[str] = []
    parts = []
    for batch in _batches(opened, opened.asked, "Embedding", show):
        paths += batch.paths
        parts.append(model.embed(batch.images, batch.ids))
    if not parts:
        raise UserError("no image could be read:\n  " + "\n  ".join(opened.notes()))
    return paths, Embedded.concatenate(parts)


def _batches(
    opened: ImageFolder, items: tuple[Item, ...], what: str, show: Show
) -> Iterator[Batch]:
    total = -(-len(items) // BATCH)
    yield from show(opened.stream(items, batch=BATCH), what, total)
