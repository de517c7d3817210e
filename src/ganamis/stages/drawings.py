"""The figures of `cluster`: one comparison of all extractors, and three figures for each."""

from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from ganamis.attribution.known_models import lineage
from ganamis.clustering.methods import space
from ganamis.contracts import TEST, Embeddings, Reference, view_means
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
    power = _test_spectra(data)
    truth = data.labels.drop_duplicates("id").set_index("id")["generator"]
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
        means = {title: power.loc[ids[clusters == title]] for title in sorted(set(clusters))}
        side = int(power.shape[1] ** 0.5)
        spectra(
            {
                title: rows.to_numpy().mean(axis=0).reshape(side, side)
                for title, rows in means.items()
            },
            target / "spectra.png",
        )


def _titles(labels: np.ndarray) -> np.ndarray:
    return np.array(["unassigned" if label < 0 else f"cluster {label}" for label in labels])


def _test_spectra(data: Ingested) -> pd.DataFrame:
    """Log power spectra of the test images, one flattened row per image id."""
    rows = data.manifest.split(TEST).drop_duplicates("id")
    batches = stream_images(data.root, rows, batch=BATCH)
    cells = np.concatenate([log_power_spectra(images) for images in batches])
    return pd.DataFrame(cells.reshape(len(cells), -1), index=rows["id"])
