"""The figures that runs carry: where people would look rather than read."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram
from sklearn.decomposition import PCA
from sklearn.metrics.cluster import contingency_matrix

# Okabe and Ito 2008: told apart by people with colour-blindness; the shapes are a second sign.
COLOURS = tuple("#0072b2 #d55e00 #009e73 #cc79a7 #56b4e9 #e69f00 #555555 #8c510a".split())
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLE: Any = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.edgecolor": "0.4",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "font.size": 10,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "text.parse_math": False,  # a generator's name may hold a dollar sign
}
ACROSS = 5  # panels in a row
TITLE = 22  # letters above a panel
LEGEND_ROWS = 18
CROWDED = 1500  # marks above which they are drawn smaller
MODES = {"known": "number of generators given", "unknown": "number of generators unknown"}


def _numbered(name: str) -> list[str | int]:
    """Sorts `cluster 2` before `cluster 10`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def _lines(name: str) -> str:
    """`cluster 2: vae` in two lines, each of them short enough for a panel."""
    parts = name.split(": ", 1)
    return "\n".join(part if len(part) <= TITLE else f"{part[: TITLE - 1]}…" for part in parts)


def mark(place: int) -> tuple[str, str]:
    """Marker and colour of a group; sixty-four differ."""
    turn = place // len(COLOURS)
    return MARKERS[(place + turn) % len(MARKERS)], COLOURS[place % len(COLOURS)]


@matplotlib.rc_context(STYLE)
def ari_chart(scores: pd.DataFrame, path: Path) -> None:
    """ARI of every extractor with its 95 % interval: one panel per mode, one mark per clusterer.

    Args:
        scores: columns `architecture`, `clusterer`, `mode`, `ari`, `ari_low`, `ari_high`.
    """
    names = list(dict.fromkeys(scores["architecture"]))
    clusterers = list(dict.fromkeys(scores["clusterer"]))
    figure = Figure(figsize=(10, 1.6 + 0.75 * len(names)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    step = 0.8 / len(clusterers)
    for axes, (mode, title) in zip(panels, MODES.items(), strict=True):
        for index, clusterer in enumerate(clusterers):
            chosen = scores[(scores["clusterer"] == clusterer) & (scores["mode"] == mode)]
            rows = chosen.set_index("architecture").reindex(names)
            axes.errorbar(
                rows["ari"],
                np.arange(len(names)) + (index - (len(clusterers) - 1) / 2) * step,
                xerr=np.abs(rows[["ari_low", "ari_high"]].to_numpy().T - rows["ari"].to_numpy()),
                fmt=mark(index)[0],
                markersize=4.5,
                color=mark(index)[1],
                label=clusterer,
            )
        for place in range(1, len(names)):
            axes.axhline(place - 0.5, color="0.9", linewidth=0.8)
        axes.axvline(0, color="0.4", linewidth=0.8)
        axes.set_xlim(-0.1, 1.04)
        axes.set_title(title)
        axes.set_xlabel("adjusted Rand index (0 is chance, 1 is perfect)")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(clusterers), fontsize=9)
    figure.savefig(path)


@matplotlib.rc_context(STYLE)
def embedding_map(points: np.ndarray, groups: dict[str, np.ndarray], path: Path) -> None:
    """The first two principal components of `[N, C]` points, one panel per grouping.

    Args:
        groups: title to `[N]` group names, such as the clusters and the generators; at least two
            images.
    """
    flat = PCA(n_components=2, svd_solver="full").fit_transform(points)
    figure = Figure(figsize=(6.6 * len(groups), 4.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(groups)))
    for axes, (title, names) in zip(panels, groups.items(), strict=True):
        for place, name in enumerate(dict.fromkeys(sorted(names.tolist(), key=_numbered))):
            chosen, (marker, colour) = flat[names == name], mark(place)
            size = 16 if len(flat) < CROWDED else 6
            axes.scatter(*chosen.T, s=size, alpha=0.8, marker=marker, color=colour, label=name)
        axes.set_title(title)
        axes.set_xlabel("first principal component")
        columns = 1 + (len(set(names.tolist())) - 1) // LEGEND_ROWS
        axes.legend(
            fontsize=9, loc="upper left", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=columns
        )
    panels[0].set_ylabel("second principal component")
    figure.savefig(path)


@matplotlib.rc_context(STYLE)
def confusion(clusters: np.ndarray, generators: np.ndarray, path: Path) -> None:
    """Counts of images per cluster and generator, `[N]` names each."""
    table = contingency_matrix(clusters, generators)
    rows, columns = sorted(set(clusters.tolist())), sorted(set(generators.tolist()))
    figure = Figure(figsize=(2.5 + 0.9 * len(columns), 1.8 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(table, cmap="Blues", aspect="auto")
    for (row, column), count in np.ndenumerate(table):
        colour = "white" if count > table.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=25, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("generator")
    axes.set_ylabel("cluster")
    axes.spines[:].set_visible(False)
    figure.savefig(path)


@matplotlib.rc_context(STYLE)
def spectra(
    deviations: Mapping[str, np.ndarray], path: Path, *, unit: str = "log power, less the mean"
) -> None:
    """Mean spectra of groups, less what they have in common, all on one scale.

    Args:
        deviations: a cluster or generator to `[H, W]` log power, zero frequency in the centre.
        unit: what the colours mean.
    """
    limit = max(float(np.percentile(np.abs(d), 99)) for d in deviations.values()) or 1.0
    columns = min(len(deviations), ACROSS)
    rows = -(-len(deviations) // columns)
    figure = Figure(figsize=(2.0 * columns + 1.0, 2.5 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(deviations) :]:
        axes.set_visible(False)
    for axes, (name, deviation) in zip(panels.flat, deviations.items(), strict=False):
        shown = axes.imshow(
            deviation, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(-0.5, 0.5, -0.5, 0.5)
        )
        axes.set_title(_lines(name), fontsize=9)
        axes.set_xticks([-0.25, 0, 0.25], ["−¼", "0", "¼"])
        axes.set_yticks([-0.25, 0, 0.25], ["−¼", "0", "¼"])
    figure.supxlabel("cycles per pixel", fontsize=9)
    figure.colorbar(shown, ax=panels, label=unit, shrink=0.8)
    figure.savefig(path)


@matplotlib.rc_context(STYLE)
def dendrogram_chart(linkage: np.ndarray, names: list[str], path: Path) -> None:
    """The lineage of clusters: which lie close to each other, and at what distance they join.

    Args:
        linkage: `[K - 1, 4]`, scipy's form. names: K clusters, at least two.
    """
    figure = Figure(figsize=(6.5, 1.2 + 0.4 * len(names)), layout="constrained")
    axes = figure.subplots()
    dendrogram(
        linkage,
        labels=names,
        orientation="left",
        color_threshold=0,
        above_threshold_color=COLOURS[0],
        ax=axes,
    )
    axes.spines["right"].set_visible(False)
    axes.tick_params(axis="y", labelsize=10)
    figure.supxlabel("distance of centres, in standard deviations inside one generator", fontsize=9)
    figure.savefig(path)


@matplotlib.rc_context(STYLE)
def reliability_chart(rows: Sequence[Sequence[float]], path: Path) -> None:
    """How often numbers of generators were right, against how sure they were said to be.

    Args:
        rows: of each bin, the mean probability said, the share that was right and how many.
    """
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="said = right")
    said, right, counts = (np.array(column) for column in zip(*rows, strict=True))
    axes.plot(said, right, color=COLOURS[0], marker="o", label="held-out generators")
    for x, y, count in zip(said, right, counts, strict=True):
        axes.annotate(f"{count:.0f}", (x, y), (6, -12), textcoords="offset points", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability said", ylabel="share right")
    axes.legend(loc="upper left")
    figure.savefig(path)
