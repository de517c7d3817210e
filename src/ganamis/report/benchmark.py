"""The benchmark as a page and a picture."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ganamis.report.figures import COLOURS, MARKERS, STYLE

FIRST = "open_world - number unknown"  # the headline: what a series of it ends with


def shown(scores: pd.DataFrame) -> list[str]:
    """The scored series, those of the headline first."""
    series = list(dict.fromkeys(scores["series"]))
    return sorted(series, key=lambda name: not name.endswith(FIRST))


def _cell(scores: pd.DataFrame) -> str:
    if scores.empty:
        return "-"
    ari = scores["ari"]
    found = "/".join(str(number) for number in scores["found"])
    return f"{ari.mean():.3f} ± {ari.std(ddof=0):.3f} ({found})"


def table_rows(scores: pd.DataFrame) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each condition with its cells, one for each series that is `shown`."""
    columns = shown(scores)
    for condition, rows in scores.groupby("condition", sort=False):
        yield str(condition), tuple(_cell(rows[rows["series"] == name]) for name in columns)


def right_numbers(scores: pd.DataFrame) -> list[tuple[str, float]]:
    """How often each series of the headline finds the right number, over all its rows."""
    right = scores["found"] == scores["generators"]
    names = [name for name in shown(scores) if name.endswith(FIRST)]
    return [(name, float(right[scores["series"] == name].mean())) for name in names]


def markdown(scores: pd.DataFrame, *, title: str, figure: str) -> str:
    """A table of mean ARI and its spread over seeds; the numbers of clusters found in brackets.

    Args:
        scores: columns `series`, `condition`, `seed`, `ari`, `found`, `generators`.
    """
    columns = shown(scores)
    seeds = sorted(set(scores["seed"]))
    lines = [
        f"# Benchmark on {title}",
        "",
        f"Adjusted Rand index, mean ± standard deviation over seeds {seeds}; in brackets the "
        "number of clusters of each seed. `nothing known`: the model knows none of the generators; "
        "`development known`: it learned those of `development/`.",
        "",
        f"![ARI by condition]({figure})",
        "",
        "| condition | " + " | ".join(columns) + " |",
        "| --- " * (len(columns) + 1) + "|",
    ]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in table_rows(scores)]
    lines += ["", "How often the number found is right, over all rows:", ""]
    lines += [f"- {name}: {share:.0%}" for name, share in right_numbers(scores)]
    return "\n".join(lines) + "\n"


@matplotlib.rc_context(STYLE)
def degradation_chart(scores: pd.DataFrame, path: Path) -> None:
    """Mean ARI of each series under each condition it shares, with the spread over seeds."""
    whole = scores.groupby("condition")["series"].nunique()
    conditions = [c for c in dict.fromkeys(scores["condition"]) if whole[c] == whole.max()]
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    for index, name in enumerate(shown(scores)):
        groups = scores[scores["series"] == name].groupby("condition")["ari"]
        means, spread = groups.mean().reindex(conditions), groups.std(ddof=0).reindex(conditions)
        axes.errorbar(
            np.arange(len(conditions)),
            means,
            yerr=spread,
            marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            capsize=2,
            linewidth=2.5 if name.endswith(FIRST) else 0.8,
            label=name,
        )
    axes.set_xticks(range(len(conditions)), conditions, rotation=40, ha="right", fontsize=8)
    axes.set_ylabel("adjusted Rand index")
    axes.set_ylim(-0.1, 1.05)
    axes.axhline(0, color="black", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path)
