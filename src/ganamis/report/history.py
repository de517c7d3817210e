"""The score of every registered version, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ganamis.contracts import Version
from ganamis.report.figures import STYLE, mark


@matplotlib.rc_context(STYLE)
def trend_chart(versions: Sequence[Version], path: Path) -> None:
    """ARI and interval over the version's number, in one colour for each data set."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    scored = [version for version in versions if version.ari is not None]
    for place, data in enumerate(dict.fromkeys(version.data for version in scored)):
        rows = [version for version in scored if version.data == data]
        marker, colour = mark(place)
        # Each row: score, low, high.
        scores = np.array([[row.ari, row.low, row.high] for row in rows], dtype=float)
        axes.errorbar(
            [row.number for row in rows],
            scores[:, 0],
            yerr=np.abs(scores[:, 1:] - scores[:, :1]).T,
            marker=marker,
            color=colour,
            capsize=3,
            label=f"data {data or 'unknown'}",
        )
    for row in scored:
        if row.aliases:
            axes.annotate(
                ", ".join(row.aliases),
                (row.number, row.high or 0.0),
                textcoords="offset points",
                xytext=(0, 6),
                ha="center",
                fontsize=9,
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("version")
    axes.set_ylabel("open-world ARI")
    axes.margins(x=0.08, y=0.2)
    figure.legend(loc="outside right upper", fontsize=9)
    figure.savefig(path)
