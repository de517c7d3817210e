"""The benchmark as a page and a picture."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ganamis.data.content import CONTENT
from ganamis.report.figures import COLOURS, MARKERS, STYLE

Combination = tuple[str, str, str]  # extractor, clusterer, and whether the number is known
COMPARED = (  # beside open-world clustering of every extractor
    ("spectrum", "open_world", "known"),
    ("spectrum", "hdbscan", "unknown"),
    ("spectrum", "kmeans_whitened", "known"),
    ("spectrum", "kmeans", "known"),
    (CONTENT, "kmeans", "known"),
)


def shown(scores: pd.DataFrame) -> list[Combination]:
    """The scored combinations that a table and a chart have room for, the headline first."""
    keys = ["extractor", "clusterer", "mode"]
    scored = list(scores[keys].drop_duplicates().itertuples(index=False, name=None))
    first = [key for key in scored if key[1:] == ("open_world", "unknown") and key[0] != CONTENT]
    return first + [key for key in COMPARED if key in scored]


def _cell(scores: pd.DataFrame) -> str:
    if scores.empty:
        return "-"
    ari = scores["ari"]
    found = "/".join(str(number) for number in scores["found"])
    return f"{ari.mean():.3f} ± {ari.std(ddof=0):.3f} ({found})"


def table_rows(scores: pd.DataFrame) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each condition with its cells, one for each combination that is `shown`."""
    columns = shown(scores)
    for condition, rows in scores.groupby("condition", sort=False):
        yield (
            str(condition),
            tuple(
                _cell(
                    rows[(rows["extractor"] == e) & (rows["clusterer"] == c) & (rows["mode"] == m)]
                )
                for e, c, m in columns
            ),
        )


def markdown(scores: pd.DataFrame, *, title: str, figure: str) -> str:
    """A table of mean ARI and its spread over seeds; the numbers of clusters found in brackets.

    Args:
        scores: columns `extractor`, `clusterer`, `mode`, `condition`, `seed`, `ari`, `found`,
            `generators`.
    """
    columns = shown(scores)
    generators = int(scores["generators"].max())
    seeds = sorted(set(scores["seed"]))
    lines = [
        f"# Benchmark on {title}",
        "",
        f"Adjusted Rand index, mean ± standard deviation over seeds {seeds}; in brackets the "
        f"number of clusters of each seed. The test set has {generators} generators. Everything is "
        "fitted on the clean development images and on copies of them degraded here.",
        "",
        f"![ARI by degradation]({figure})",
        "",
        "| condition | " + " | ".join(f"{e}, {c}, number {m}" for e, c, m in columns) + " |",
        "| --- " * (len(columns) + 1) + "|",
    ]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in table_rows(scores)]
    return "\n".join(lines) + "\n"


@matplotlib.rc_context(STYLE)
def degradation_chart(scores: pd.DataFrame, path: Path) -> None:
    """Mean ARI of each shown combination under each degradation, with the spread over seeds."""
    whole = scores.groupby("condition")["clusterer"].nunique()
    conditions = [c for c in dict.fromkeys(scores["condition"]) if whole[c] == whole.max()]
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    for index, (extractor, clusterer, mode) in enumerate(shown(scores)):
        rows = scores[
            (scores["extractor"] == extractor)
            & (scores["clusterer"] == clusterer)
            & (scores["mode"] == mode)
        ]
        groups = rows.groupby("condition")["ari"]
        means, spread = groups.mean().reindex(conditions), groups.std(ddof=0).reindex(conditions)
        axes.errorbar(
            np.arange(len(conditions)),
            means,
            yerr=spread,
            marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            capsize=2,
            linewidth=1 if index else 2.5,
            label=f"{extractor}, {clusterer}, number {mode}",
        )
    axes.set_xticks(range(len(conditions)), conditions, rotation=25, ha="right")
    axes.set_ylabel("adjusted Rand index")
    axes.set_ylim(-0.1, 1.05)
    axes.axhline(0, color="black", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    figure.savefig(path)
