"""What `attribute` and the page of `serve` share: an opened folder in, its answer out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganamis.contracts import TEST
from ganamis.data.folder import ImageFolder
from ganamis.data.names import shown
from ganamis.errors import UserError
from ganamis.model.answer import Attribution
from ganamis.model.catalogue import taught
from ganamis.model.embedding import Show, embed_folder, in_silence, steps
from ganamis.model.fingerprint import FingerprintModel
from ganamis.registry.choice import Chosen

if TYPE_CHECKING:
    import pandas as pd

AUTO = "auto"
COLUMNS = ("image", "cluster", "generator", "known", "score")


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
    paths, stream = embed_folder(model, opened, opened.asked, show=show)
    found = stream.answer(model, clusters=clusters)
    return Answered(opened, model, chosen.name, paths, found, clusters is not None)


def answer_table(answered: Answered) -> "pd.DataFrame":
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
    images = opened.whole(show(opened.stream(opened.taught), "Learning", steps(opened.taught)))
    return taught(model, images.images, np.array(images.generators))
