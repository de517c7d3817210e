"""The open-world objective, on development data only, and the choice that follows from it."""

from collections.abc import Iterable, Sequence

import pandas as pd
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import CLUSTERERS, Prepared, prepare
from ganamis.contracts import Fold
from ganamis.params import Cluster

SEARCH_CLUSTERER = "kmeans_whitened"


def prepare_fold(fold: Fold, clusterer: str, *, settings: Cluster) -> Prepared:
    """The query images of a fold, ready to cluster."""
    query = fold.embeddings.features[fold.query]
    views = fold.embeddings.views
    return prepare(clusterer, query, fold.taught, views=views, settings=settings)


def search_objective(fold: Fold, *, settings: Cluster, seed: int) -> float:
    """ARI of one fold for the hyper-parameter search.

    The number of generators is given here: an extractor is judged by how well it separates, and
    at scores near chance an estimated number says nothing about it.
    """
    truth = fold.generators[fold.query]
    prepared = prepare_fold(fold, SEARCH_CLUSTERER, settings=settings)
    labels = prepared.cluster(count=len(set(truth.tolist())), seed=seed)
    return float(adjusted_rand_score(truth, labels))


def fold_clusters(
    folds: Iterable[Fold], clusterer: str, *, settings: Cluster, seed: int
) -> pd.DataFrame:
    """The clusters of every fold, their number unknown, image by image.

    Returns:
        Columns `held_out`, `id`, `generator` and `label`.
    """
    tables = []
    for fold in folds:
        labels = prepare_fold(fold, clusterer, settings=settings).cluster(count=None, seed=seed)
        columns = {
            "held_out": fold.held_out,
            "id": fold.embeddings.ids[fold.query],
            "generator": fold.generators[fold.query],
            "label": labels,
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def open_world_scores(folds: Iterable[Fold], *, settings: Cluster, seed: int) -> pd.DataFrame:
    """Score every clusterer on every fold.

    Returns:
        Columns `clusterer`, `held_out`, `known` (bool) and `ari`; no row where a clusterer cannot
        take a count.
    """
    rows = []
    for fold in folds:
        truth = fold.generators[fold.query]
        for clusterer in CLUSTERERS:
            prepared = prepare_fold(fold, clusterer, settings=settings)
            for known in (True, False):
                count = len(set(truth.tolist())) if known else None
                labels = prepared.cluster(count=count, seed=seed)
                if labels is not None:
                    ari = float(adjusted_rand_score(truth, labels))
                    rows.append((clusterer, fold.held_out, known, ari))
    return pd.DataFrame(rows, columns=["clusterer", "held_out", "known", "ari"])


def choose(scores: pd.DataFrame, *, order: Sequence[str]) -> pd.Series:
    """The extractor and clusterer with the best mean open-world ARI, the number being unknown.

    Ties go to the better score with the number known, then to the extractor that comes first in
    `order`, then to the clusterer whose name sorts first.

    Args:
        scores: columns `architecture`, `clusterer`, `known` and `ari`, one row per fold.
        order: the extractors, preferred ones first.

    Returns:
        `architecture`, `clusterer`, `unknown` and `known` (mean ARI; not a number where a
        clusterer cannot take a count).
    """
    keys = ["architecture", "clusterer"]
    means = scores.groupby([*keys, "known"])["ari"].mean().unstack()
    means = means.rename(columns={False: "unknown", True: "known"}).reset_index()
    means["place"] = means["architecture"].map({name: at for at, name in enumerate(order)})
    best = means.sort_values(
        ["unknown", "known", "place", "clusterer"],
        ascending=[False, False, True, True],
        na_position="last",
    )
    return best.iloc[0]
