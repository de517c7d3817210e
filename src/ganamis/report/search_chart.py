"""What the searches of the six networks tried, as one chart: parallel coordinates, importances."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ganamis.report.figures import STYLE, mark

AXES = ("depth", "loss", "crop", "learning_rate")
TITLES = {"depth": "stride", "loss": "loss", "crop": "crop", "learning_rate": "learning rate"}
MARK: Any = {
    "ha": "right",
    "va": "center",
    "fontsize": 9,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1},
}
SPREAD = 0.07  # of an axis, by which lines through one of its marks are fanned out


@matplotlib.rc_context(STYLE)
def search_chart(trials: pd.DataFrame, importances: Mapping[str, float], path: Path) -> None:
    """Every trial as a line through its hyper-parameters to its score; beside it, what mattered.

    Args:
        trials: columns `architecture`, `depth`, `loss`, `crop`, `learning_rate`, `state` and
            `development_ari`.
        importances: share of the score's variance by hyper-parameter.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    lines, bars = figure.subplots(1, 2, width_ratios=(2.6, 1))
    _parallel(lines, trials)
    names = sorted(importances, key=lambda name: importances[name])
    bars.barh([TITLES.get(name, name) for name in names], [importances[name] for name in names])
    bars.set_xlim(0, 1)
    bars.set_title("importance (fANOVA)")
    bars.set_xlabel("share of the score's variance")
    figure.savefig(path)


def _parallel(axes: Axes, trials: pd.DataFrame) -> None:
    places = [_places(axes, at, trials[name], name) for at, name in enumerate(AXES)]
    places.append(trials["development_ari"].to_numpy(dtype=float))
    axes.text(len(AXES), 1.08, "development ARI", ha="center", fontweight="bold")
    for at in range(len(places)):
        axes.axvline(at, color="0.7", linewidth=0.8)
    names = list(dict.fromkeys(trials["architecture"]))
    rows = np.stack(places, axis=1)
    for row, name, state in zip(rows, trials["architecture"], trials["state"], strict=True):
        pruned = state != "complete"
        axes.plot(
            row,
            color=mark(names.index(name))[1],
            linestyle=":" if pruned else "-",
            alpha=0.5 if pruned else 0.85,
            linewidth=1.2,
        )
    for place, name in enumerate(names):
        axes.plot([], [], color=mark(place)[1], label=name)
    axes.plot([], [], color="0.4", linestyle=":", label="pruned")
    axes.set_xticks([])
    axes.set_xlim(-0.3, len(AXES) + 0.1)
    axes.set_ylim(-0.08, 1.06)
    axes.spines[:].set_visible(False)
    axes.yaxis.set_ticks_position("right")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4, fontsize=9)


def _places(axes: Axes, at: int, column: pd.Series, name: str) -> np.ndarray:
    """Where each trial crosses an axis, from 0 to 1; writes the axis's title and marks."""
    axes.text(at, 1.08, TITLES[name], ha="center", fontweight="bold")
    if name == "learning_rate":
        values = np.log10(column.to_numpy(dtype=float))
        low, high = values.min(), values.max()
        for place, value in ((0.0, low), (1.0, high)):
            axes.text(at - 0.04, place, f"{10**value:.0e}", **MARK)
        return (values - low) / ((high - low) or 1.0)
    known = sorted(set(column))
    steps = np.linspace(0, 1, len(known)) if len(known) > 1 else np.array([0.5])
    for place, value in zip(steps, known, strict=True):
        shown = value if isinstance(value, str) else f"{value:g}"
        axes.text(at - 0.04, place, shown, **MARK)
    fan = np.linspace(-SPREAD / 2, SPREAD / 2, len(column))
    return np.array([steps[known.index(value)] for value in column]) + fan
