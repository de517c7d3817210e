"""The open-world objective, on development data only, and the choice that follows from it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import CLUSTERERS, DENSITY, OPEN_WORLD, RAW
from ganamis.contracts import Embedded, Embeddings, Fold
from ganamis.errors import UserError
from ganamis.model.backend import BackEnd
from ganamis.params import ModelSettings

SEARCH_CLUSTERER = "kmeans_whitened"
ELIGIBLE = tuple(name for name in CLUSTERERS if name != RAW)  # RAW is no model: nothing is learned


def fold_backend(fold: Fold, clusterer: str, *, settings: ModelSettings, seed: int) -> BackEnd:
    """The back end that a fold's reference images teach."""
    backend = BackEnd.fit(fold.taught, settings=settings, seed=seed)
    backend = replace(backend, clusterer=clusterer)
    return backend.named() if clusterer == OPEN_WORLD else backend


def fold_query(fold: Fold, backend: BackEnd, *, content: Embeddings | None = None) -> Embedded:
    """The query images of a fold.

    Args:
        content: descriptors of all images; None where the clusterer does not look at content.
    """
    ids = fold.embeddings.ids[fold.query]
    described = np.zeros((len(ids), 1), np.float32) if content is None else content.select(ids)
    raw = fold.embeddings.features[fold.query]
    return backend.reduce(raw, ids, described, views=fold.embeddings.views)


def search_objective(fold: Fold, *, settings: ModelSettings, seed: int) -> float:
    """ARI of one fold for the hyper-parameter search.

    The number of generators is given here: an extractor is judged by how well it separates, and
    at scores near chance an estimated number says nothing about it.
    """
    truth = fold.generators[fold.query]
    backend = fold_backend(fold, SEARCH_CLUSTERER, settings=settings, seed=seed)
    batch = fold_query(fold, backend)
    found = backend.partition(batch, clusters=len(set(truth.tolist())))
    return float(adjusted_rand_score(truth, found.labels))


def fold_clusters(
    folds: Iterable[Fold],
    clusterer: str,
    *,
    content: Embeddings,
    settings: ModelSettings,
    seed: int,
) -> pd.DataFrame:
    """What the model answers in every fold, the number unknown, image by image.

    Returns:
        Columns `held_out`, `id`, `generator` and `label`.
    """
    tables = []
    for fold in folds:
        backend = fold_backend(fold, clusterer, settings=settings, seed=seed)
        found = backend.together(fold_query(fold, backend, content=content))
        columns = {
            "held_out": fold.held_out,
            "id": fold.embeddings.ids[fold.query],
            "generator": fold.generators[fold.query],
            "label": found.labels,
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def open_world_scores(
    folds: Iterable[Fold], *, content: Embeddings, settings: ModelSettings, seed: int
) -> pd.DataFrame:
    """Score the model with every clusterer on every fold.

    Returns:
        Columns `clusterer`, `held_out`, `known` (bool) and `ari`; no row where a clusterer cannot
        take a count.
    """
    rows = []
    for fold in folds:
        truth = fold.generators[fold.query]
        taught = fold_backend(fold, OPEN_WORLD, settings=settings, seed=seed)
        batch = fold_query(fold, taught, content=content)
        for clusterer in ELIGIBLE:
            backend = replace(taught, clusterer=clusterer)
            for known in (True, False):
                if known and clusterer == DENSITY:
                    continue
                count = len(set(truth.tolist())) if known else None
                found = backend.together(batch, clusters=count)
                ari = float(adjusted_rand_score(truth, found.labels))
                rows.append((clusterer, fold.held_out, known, ari))
    return pd.DataFrame(rows, columns=["clusterer", "held_out", "known", "ari"])


def learned(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of extractors that have learned to tell the generators they were trained on.

    Args:
        scores: columns `architecture` and `learned` (bool).

    Raises:
        UserError: none has.
    """
    kept = scores[scores["learned"]]
    if kept.empty:
        names = ", ".join(scores["architecture"].unique())
        raise UserError(
            f"no extractor has learned ({names}): on held-out development images each stays below "
            "search.learned of params.yaml; train for longer, or add extractors to `architectures`"
        )
    return kept


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
