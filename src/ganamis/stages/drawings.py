"""The figures of `cluster`: two of all extractors together, and up to four for each."""

from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from ganamis.attribution.known_models import lineage
from ganamis.clustering.methods import space
from ganamis.contracts import Embeddings, Reference, view_means
from ganamis.data.batches import stream_images
from ganamis.params import Params
from ganamis.report.figures import (
    ari_chart,
    confusion,
    dendrogram_chart,
    embedding_map,
    spectra,
)
from ganamis.report.power_spectra import log_power_spectra
from ganamis.stages.paths import Ingested

BATCH = 128
LINKAGE = "dendrogram.csv"  # beside the chart: scipy's form, clusters ordered by title


def draw(
    folder: Path,
    embeddings: dict[str, Embeddings],
    references: dict[str, Reference],
    assignments: dict[str, pd.DataFrame],
    clusterers: dict[str, str],
    scores: pd.DataFrame,
    data: Ingested,
    params: Params,
) -> None:
    """Draw into `folder`.

    Args:
        embeddings, references, assignments: by extractor.
        clusterers: the one to draw for each extractor.
        scores: may have no rows, where the test set has no labels.
    """
    folder.mkdir()
    if len(scores):
        ari_chart(scores, folder / "ari.png")
    power = _spectra(data)
    truth = data.labels.drop_duplicates("id").set_index("id")["generator"]
    development = data.development.set_index("id")["generator"]
    of_generators = truth if len(truth) else development
    spectra(_means(power, of_generators), folder / "generators.png")
    for name, clusterer in track(clusterers.items(), description="Drawing"):
        target = folder / name
        target.mkdir()
        table = assignments[name]
        ids = table["id"].to_numpy(dtype=str)
        clusters = _titles(table[f"{clusterer}_unknown"].to_numpy())
        groups = {f"clusters ({clusterer}, number unknown)": clusters}
        if len(truth):
            groups["generators"] = truth.loc[ids].to_numpy(dtype=str)
            confusion(clusters, groups["generators"], target / "confusion.png")
        stored = embeddings[name]
        features = stored.select(ids)
        whitening = space(
            clusterer, features, references[name], views=stored.views, settings=params.cluster
        )
        points = whitening.transform(view_means(features, stored.views))
        embedding_map(points, groups, target / "embedding_map.png")
        titles = sorted(set(clusters.tolist()))
        if len(titles) > 1:
            centres = lineage([points[clusters == title] for title in titles])
            dendrogram_chart(centres, titles, target / "dendrogram.png")
            tree = pd.DataFrame(centres, columns=["left", "right", "distance", "clusters"])
            tree.to_csv(target / LINKAGE, index=False)
        spectra(_means(power, pd.Series(clusters, index=ids)), target / "spectra.png")


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
