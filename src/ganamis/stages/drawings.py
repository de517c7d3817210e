"""The figures of `cluster`: two of all extractors together, and up to four for each."""

from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from ganamis.data.batches import stream_images
from ganamis.extractors.power_spectra import less_mean, log_power_spectra
from ganamis.model.answer import Attribution
from ganamis.report.figures import (
    ari_chart,
    confusion,
    dendrogram_chart,
    embedding_map,
    spectra,
)
from ganamis.stages.paths import Ingested

BATCH = 128
LINKAGE = "dendrogram.csv"  # beside the chart: scipy's form, in the order of the clusters


def draw(
    folder: Path,
    answers: dict[str, Attribution],
    clusterers: dict[str, str],
    scores: pd.DataFrame,
    data: Ingested,
) -> None:
    """Draw into `folder`.

    Args:
        answers: by extractor, of the clusterer that `clusterers` names; the number unknown.
        scores: may have no rows, where the test set has no labels.
    """
    folder.mkdir()
    if len(scores):
        ari_chart(scores, folder / "ari.png")
    power = _spectra(data)
    truth = data.labels.drop_duplicates("id").set_index("id")["generator"]
    development = data.development.set_index("id")["generator"]
    of_generators = truth if len(truth) else development
    spectra(less_mean(_means(power, of_generators)), folder / "generators.png")
    for name, answer in track(answers.items(), description="Drawing"):
        target = folder / name
        target.mkdir()
        clusters = _titles(answer.labels)
        groups = {f"clusters ({clusterers[name]}, number unknown)": clusters}
        if len(truth):
            groups["generators"] = truth.loc[answer.ids].to_numpy(dtype=str)
            confusion(clusters, groups["generators"], target / "confusion.png")
        embedding_map(answer.points, groups, target / "embedding_map.png")
        titles = [f"cluster {label}" for label in range(answer.count)]
        if len(titles) > 1:
            dendrogram_chart(answer.linkage, titles, target / "dendrogram.png")
            columns = ["left", "right", "distance", "clusters"]
            tree = pd.DataFrame(answer.linkage, columns=columns)
            tree.to_csv(target / LINKAGE, index=False)
        of_clusters = _means(power, pd.Series(clusters, index=answer.ids))
        spectra(less_mean(of_clusters), target / "spectra.png")


def _titles(labels: np.ndarray) -> np.ndarray:
    return np.array(["unassigned" if label < 0 else f"cluster {label}" for label in labels])


def _spectra(data: Ingested) -> pd.DataFrame:
    """Log power spectra of all images, one flattened row per image id."""
    rows = data.manifest.rows.drop_duplicates("id").sort_values("id")
    batches = stream_images(data.root, rows, batch=BATCH)
    cells = np.concatenate([log_power_spectra(images) for images in batches])
    return pd.DataFrame(cells.reshape(len(cells), -1), index=rows["id"])


def _means(power: pd.DataFrame, groups: pd.Series) -> dict[str, np.ndarray]:
    """Mean spectrum `[H, W]` of each group; groups: names, by image id."""
    side = int(power.shape[1] ** 0.5)
    return {
        str(name): power.loc[members.index].to_numpy().mean(axis=0).reshape(side, side)
        for name, members in groups.groupby(groups)
    }
