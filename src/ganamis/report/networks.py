"""Architecture by recipe: whether each extractor has learned, what it finds, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

DEPTH = {"depth": "stride {}", "crop": "crop {}", "loss": "{}"}  # of a search's values, for reading


@dataclass(frozen=True)
class Trained:
    """One row. recipe: empty where the extractor is none of the six networks.

    accuracy: on held-out development images. raw, whitened: ARI by k-means, the number given.
    given, unknown: ARI in the open world; found: clusters there, the number unknown; all None
    without test labels. read: where the network is read and how it was taught.
    """

    name: str
    architecture: str
    recipe: str
    accuracy: float
    learned: bool
    raw: float | None
    whitened: float | None
    given: float | None
    unknown: float | None
    found: int | None
    seconds: float
    images_per_second: float
    read: str


def trained_rows(
    summaries: Sequence[tuple[Mapping[str, Any], tuple[str, str]]], scores: pd.DataFrame
) -> tuple[Trained, ...]:
    """The rows, recipes of one architecture side by side.

    Args:
        summaries: what `train` wrote of each extractor, with its architecture and recipe.
        scores: one row per extractor, clusterer and mode; may have no rows.
    """
    cells = {
        (row["architecture"], row["clusterer"], row["mode"]): row
        for row in scores.to_dict("records")
    }
    rows = []
    for summary, (architecture, recipe) in summaries:
        name = summary["architecture"]
        open_world = cells.get((name, "open_world", "unknown"), {})
        rows.append(
            Trained(
                name=name,
                architecture=architecture,
                recipe="" if recipe == architecture else recipe,
                accuracy=summary["development_accuracy"],
                learned=summary["learned"],
                raw=cells.get((name, "kmeans", "known"), {}).get("ari"),
                whitened=cells.get((name, "kmeans_whitened", "known"), {}).get("ari"),
                given=cells.get((name, "open_world", "known"), {}).get("ari"),
                unknown=open_world.get("ari"),
                found=open_world.get("clusters"),
                seconds=summary["seconds"],
                images_per_second=summary["images_per_second"],
                read=_read(summary["values"]),
            )
        )
    return tuple(sorted(rows, key=lambda row: (not row.recipe, row.architecture, row.recipe)))


def _read(values: Mapping[str, Any]) -> str:
    return ", ".join(text.format(values[key]) for key, text in DEPTH.items() if key in values)
