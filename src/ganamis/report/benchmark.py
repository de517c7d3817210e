"""The benchmark as a page and a picture."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ganamis.report.figures import COLOURS, MARKERS, STYLE

FIRST = "open_world - number unknown"  # the headline: what a series of it ends with
GIVEN = "open_world - number known"


def shown(scores: pd.DataFrame) -> list[str]:
    """The scored series, those of the headline first."""
    series = list(dict.fromkeys(scores["series"]))
    return sorted(series, key=lambda name: not name.endswith(FIRST))


def headlines(scores: pd.DataFrame) -> list[str]:
    """What each series of the headline is about, such as `srct - nothing known`."""
    ends = f" - {FIRST}"
    return [name.removesuffix(ends) for name in shown(scores) if name.endswith(ends)]


def columns(scores: pd.DataFrame) -> dict[str, str]:
    """Head of each column of the table, and its series: of the open world alone."""
    modes = (("found", FIRST), ("given", GIVEN))
    return {
        f"{case}: {mode}": f"{case} - {end}" for case in headlines(scores) for mode, end in modes
    }


def _cell(scores: pd.DataFrame) -> str:
    if scores.empty:
        return "-"
    ari = scores["ari"]
    found = "/".join(str(number) for number in scores["found"])
    spread = f" ± {ari.std(ddof=0):.3f}" if len(scores) > 1 else ""
    return f"{ari.mean():.3f}{spread} ({found})"


def table_rows(scores: pd.DataFrame) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each condition with its cells, one for each of the `columns`."""
    series = columns(scores).values()
    for condition, rows in scores.groupby("condition", sort=False):
        yield str(condition), tuple(_cell(rows[rows["series"] == name]) for name in series)


def summary(scores: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Each series with the median and the worst adjusted Rand index over its conditions."""
    whole = scores[~scores["condition"].str.startswith("only ")]
    means = whole.groupby(["series", "condition"])["ari"].mean()
    return [(name, means[name].median(), means[name].min()) for name in shown(scores)]


def right_numbers(scores: pd.DataFrame) -> list[tuple[str, float]]:
    """How often each series of the headline finds the right number, over all its rows."""
    right = scores["found"] == scores["generators"]
    names = [name for name in shown(scores) if name.endswith(FIRST)]
    return [(name, float(right[scores["series"] == name].mean())) for name in names]


def markdown(scores: pd.DataFrame, *, title: str, figure: str) -> str:
    """Mean ARI and its spread over seeds; the numbers of clusters found in brackets.

    Args:
        scores: columns `series`, `condition`, `seed`, `ari`, `found`, `generators`.
    """
    head = columns(scores)
    seeds = sorted(set(scores["seed"]))
    lines = [
        f"# Benchmark on {title}",
        "",
        f"Adjusted Rand index, mean ± standard deviation over seeds {seeds}; in brackets the "
        "number of clusters of each seed. `nothing known`: the model knows none of the generators; "
        "`development known`: it learned those of `development/`. `found`: the number of "
        "generators is found out; `given`: it is given. Of the open world; other clusterers in the "
        "same features stand in the summary below.",
        "",
        f"![ARI by condition]({figure})",
        "",
        "| condition | " + " | ".join(head) + " |",
        "| --- " * (len(head) + 1) + "|",
    ]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in table_rows(scores)]
    lines += ["", "| series | median | worst |", "| --- | --- | --- |"]
    lines += [f"| {name} | {mid:.3f} | {worst:.3f} |" for name, mid, worst in summary(scores)]
    lines += ["", "How often the number found is right, over all rows:", ""]
    lines += [f"- {name}: {share:.0%}" for name, share in right_numbers(scores)]
    return "\n".join(lines) + "\n"


@matplotlib.rc_context(STYLE)
def degradation_chart(scores: pd.DataFrame, path: Path) -> None:
    """Mean ARI of the headline under each condition all series share, spread over seeds."""
    whole = scores.groupby("condition")["series"].nunique()
    conditions = [c for c in dict.fromkeys(scores["condition"]) if whole[c] == whole.max()]
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    for index, case in enumerate(headlines(scores)):
        name = f"{case} - {FIRST}"
        groups = scores[scores["series"] == name].groupby("condition")["ari"]
        means, spread = groups.mean().reindex(conditions), groups.std(ddof=0).reindex(conditions)
        axes.errorbar(
            np.arange(len(conditions)),
            means,
            yerr=spread,
            marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            capsize=2,
            label=case,
        )
    axes.set_xticks(range(len(conditions)), conditions, rotation=40, ha="right", fontsize=8)
    axes.set_ylabel("adjusted Rand index")
    axes.set_ylim(-0.1, 1.05)
    axes.axhline(0, color="black", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path)
