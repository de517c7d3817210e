"""The figures that runs carry: where people would look rather than read."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram
from sklearn.decomposition import PCA
from sklearn.metrics.cluster import contingency_matrix

PALETTE = matplotlib.colormaps["tab20"]


def ari_chart(scores: pd.DataFrame, path: Path) -> None:
    """ARI of every extractor with its 95 % interval, for each clusterer and mode.

    Args:
        scores: columns `architecture`, `clusterer`, `mode`, `ari`, `ari_low`, `ari_high`.
    """
    names = list(dict.fromkeys(scores["architecture"]))
    series = list(scores.groupby(["clusterer", "mode"], sort=False))
    colours = {name: PALETTE(2 * i) for i, name in enumerate(dict.fromkeys(scores["clusterer"]))}
    figure = Figure(figsize=(10, 1.5 + 0.75 * len(names)), layout="constrained")
    axes = figure.subplots()
    height = 0.85 / len(series)
    for index, ((clusterer, mode), rows) in enumerate(series):
        rows = rows.set_index("architecture").loc[names]
        axes.errorbar(
            rows["ari"],
            np.arange(len(names)) + (index - (len(series) - 1) / 2) * height,
            xerr=np.abs(rows[["ari_low", "ari_high"]].to_numpy().T - rows["ari"].to_numpy()),
            fmt="o",
            markersize=5,
            markerfacecolor=colours[clusterer] if mode == "known" else "white",
            color=colours[clusterer],
            label=f"{clusterer}, number {mode}",
        )
    for place in range(1, len(names)):
        axes.axhline(place - 0.5, color="0.9", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_xlim(-0.1, 1.02)
    axes.set_xlabel("adjusted Rand index on the test images (0 is chance, 1 is perfect)")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)


def embedding_map(points: np.ndarray, groups: dict[str, np.ndarray], path: Path) -> None:
    """The first two principal components of `[N, C]` points, one panel per grouping.

    Args:
        groups: title to `[N]` group names, such as the clusters and the generators.
    """
    flat = PCA(n_components=2, svd_solver="full").fit_transform(points)
    figure = Figure(figsize=(5.2 * len(groups), 4.4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(groups)))
    for axes, (title, names) in zip(panels, groups.items(), strict=True):
        for index, name in enumerate(sorted(set(names.tolist()))):
            chosen = flat[names == name]
            axes.scatter(*chosen.T, s=9, color=PALETTE(index % 20), label=str(name))
        axes.set_title(title)
        axes.set_xlabel("first principal component")
        axes.legend(fontsize=7, markerscale=2)
    panels[0].set_ylabel("second principal component")
    figure.savefig(path, dpi=120)


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
    figure.savefig(path, dpi=120)


def spectra(mean_spectra: dict[str, np.ndarray], path: Path) -> None:
    """What sets each cluster's mean log power spectrum apart from the mean of all clusters.

    Args:
        mean_spectra: cluster name to `[H, W]` mean log power, zero frequency in the centre.
    """
    overall = np.mean(list(mean_spectra.values()), axis=0)
    deviations = {name: spectrum - overall for name, spectrum in mean_spectra.items()}
    limit = max(float(np.percentile(np.abs(d), 99)) for d in deviations.values()) or 1.0
    figure = Figure(figsize=(2.6 * len(deviations) + 0.8, 3.0), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(deviations)))
    for axes, (name, deviation) in zip(panels, deviations.items(), strict=True):
        shown = axes.imshow(
            deviation, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(-0.5, 0.5, -0.5, 0.5)
        )
        axes.set_title(name)
        axes.set_xlabel("cycles per pixel")
    figure.colorbar(shown, ax=list(panels), label="log power, less the mean of all", shrink=0.8)
    figure.savefig(path, dpi=120)


def dendrogram_chart(linkage: np.ndarray, names: list[str], path: Path) -> None:
    """The lineage of clusters: which lie close to each other, and at what distance they join.

    Args:
        linkage: `[K - 1, 4]`, scipy's form. names: K clusters, at least two.
    """
    figure = Figure(figsize=(6.5, 1.2 + 0.4 * len(names)), layout="constrained")
    axes = figure.subplots()
    dendrogram(linkage, labels=names, orientation="right", color_threshold=0, ax=axes)
    axes.set_xlabel("distance of centres, in standard deviations inside one generator")
    figure.savefig(path, dpi=120)
