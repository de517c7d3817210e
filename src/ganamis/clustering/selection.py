"""The open-world objective, on development data only, and the choice that follows from it."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import CLUSTERERS, cluster
from ganamis.contracts import Fold
from ganamis.params import Cluster

SEARCH_CLUSTERER = "kmeans_whitened"


def fold_labels(
    fold: Fold, clusterer: str, *, known: bool, settings: Cluster, seed: int
) -> np.ndarray | None:
    """Cluster the query images of a fold: `[number of queries]` int labels, or None."""
    return cluster(
        clusterer,
        fold.embeddings.features[fold.query],
        fold.taught,
        views=fold.embeddings.views,
        count=len(set(fold.generators[fold.query].tolist())) if known else None,
        settings=settings,
        seed=seed,
    )


def search_objective(fold: Fold, *, settings: Cluster, seed: int) -> float:
    """ARI of one fold for the hyper-parameter search.

    The number of generators is given here: an extractor is judged by how well it separates, and
    at scores near chance an estimated number says nothing about it.
    """
    labels = fold_labels(fold, SEARCH_CLUSTERER, known=True, settings=settings, seed=seed)
    return float(adjusted_rand_score(fold.generators[fold.query], labels))


def open_world_scores(folds: Iterable[Fold], *, settings: Cluster, seed: int) -> pd.DataFrame:
    """Score every clusterer on every fold.

    Returns:
        Columns `clusterer`, `held_out`, `known` (bool), `ari`, and `labels` (list of int, of the
        fold's query images in their order); no row where a clusterer cannot take a count.
    """
    rows = []
    for fold in folds:
        truth = fold.generators[fold.query]
        for clusterer in CLUSTERERS:
            for known in (True, False):
                labels = fold_labels(fold, clusterer, known=known, settings=settings, seed=seed)
                if labels is None:
                    continue
                rows.append(
                    {
                        "clusterer": clusterer,
                        "held_out": fold.held_out,
                        "known": known,
                        "ari": float(adjusted_rand_score(truth, labels)),
                        "labels": labels.tolist(),
                    }
                )
    return pd.DataFrame(rows)


def choose(scores: pd.DataFrame) -> pd.Series:
    """The extractor and clusterer with the best mean open-world ARI, the number being unknown.

    Ties go to the better score with the number known, then to the name that sorts first.

    Args:
        scores: columns `architecture`, `clusterer`, `known` and `ari`, one row per fold.

    Returns:
        `architecture`, `clusterer`, `unknown` and `known` (mean ARI; not a number where a
        clusterer cannot take a count).
    """
    keys = ["architecture", "clusterer"]
    means = scores.groupby([*keys, "known"])["ari"].mean().unstack()
    means = means.rename(columns={False: "unknown", True: "known"}).reset_index()
    best = means.sort_values(
        ["unknown", "known", *keys], ascending=[False, False, True, True], na_position="last"
    )
    return best.iloc[0]
