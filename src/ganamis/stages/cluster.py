"""`cluster`: every extractor's model with every clusterer, scored on development and on test."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ganamis.clustering.methods import CLUSTERERS, DENSITY, RAW, partition
from ganamis.clustering.scores import score
from ganamis.contracts import TEST, Embedded, Embeddings, Fold, Reference
from ganamis.data.content import CONTENT
from ganamis.extractors.candidates import FINGERPRINT, recipe_of
from ganamis.extractors.fusion import fuse
from ganamis.files import read_json, require, try_output, whole_folder, write_json
from ganamis.model.answer import Attribution
from ganamis.model.backend import BackEnd
from ganamis.model.evaluation import choose, open_world_scores
from ganamis.model.storage import load_backend
from ganamis.params import Params
from ganamis.stages.drawings import draw
from ganamis.stages.paths import CLUSTER, TRAIN, Ingested, read_ingested
from ganamis.tracking import runs

ENSEMBLE = "ensemble"  # of the networks that have learned: shown beside them, never selected
MODES = {"known": True, "unknown": False}


@dataclass(frozen=True)
class Clustered:
    """What one extractor's model makes of the test images.

    labels: columns `id` and `<clusterer>_<mode>`. answers: by clusterer, the number unknown; none
    of the paper's own, which is no model. names: columns `clusterer`, `cluster`, `generator`,
    `known`, `score`, the number unknown.
    """

    labels: pd.DataFrame
    answers: dict[str, Attribution]

    @property
    def names(self) -> pd.DataFrame:
        rows = [
            (clusterer, label, cluster.name, cluster.known, cluster.score)
            for clusterer, answer in self.answers.items()
            for label, cluster in enumerate(answer.clusters)
        ]
        return pd.DataFrame(rows, columns=["clusterer", "cluster", "generator", "known", "score"])


def cluster(params: Params) -> None:
    """Cluster and score; write `development.csv`, `assignments/`, `scores.csv` and `metrics.json`.

    `development.csv` is all that selection reads; the test labels touch only the last two.
    """
    try_output(CLUSTER, folder=True)
    data = read_ingested(params)
    with runs.stage_run(
        "cluster",
        name="cluster",
        params={
            "seed": params.seed,
            "data_digest": data.digest,
            "cluster": params.cluster.model_dump(),
            "model": params.model.model_dump(),
        },
        tags={"profile": params.profile},
    ) as run:
        runs.log_data(data.manifest, data.root, data.digest, split=TEST)
        development = _development_scores(data, params)
        beside = [ENSEMBLE, CONTENT] if len(members(params)) > 1 else [CONTENT]
        names = [*params.architectures, *beside]
        clustered = {
            name: _clustered(name, data, params) for name in track(names, description="Clustering")
        }
        scores = _test_scores(clustered, data, params)
        with whole_folder(CLUSTER) as folder:
            development.to_csv(folder / "development.csv", index=False)
            (folder / "assignments").mkdir()
            for name, found in clustered.items():
                found.labels.to_csv(folder / "assignments" / f"{name}.csv", index=False)
                found.names.to_csv(folder / "assignments" / f"{name}_names.csv", index=False)
            scores.to_csv(folder / "scores.csv", index=False)
            write_json(folder / "metrics.json", _metrics(development, scores))
            write_json(
                folder / "summary.json", {"run_id": run.info.run_id, "data_digest": data.digest}
            )
            chosen = {
                str(name): str(choose(rows, order=[str(name)])["clusterer"])
                for name, rows in development.groupby("architecture", sort=False)
            }
            answers = {name: clustered[name].answers[chosen[name]] for name in chosen}
            draw(folder / "figures", answers, chosen, scores, data)
            runs.log_folder(folder, under="cluster")
        _log_per_extractor(params, development, scores)
    _print(scores, data)


def read_embeddings(architecture: str) -> Embeddings:
    """The embeddings that `train` left for `architecture`."""
    path = TRAIN / architecture / "embeddings.npz"
    return Embeddings.load(require(path, stage=f"train --architecture {architecture}"))


def read_folds(architecture: str) -> list[Fold]:
    """The open-world folds that `train` left for `architecture`."""
    folder = require(TRAIN / architecture / "folds", stage=f"train --architecture {architecture}")
    return [Fold.load(path) for path in sorted(folder.iterdir())]


def _development_scores(data: Ingested, params: Params) -> pd.DataFrame:
    tables = []
    for name in track(params.architectures, description="Open-world folds"):
        table = open_world_scores(
            read_folds(name), content=data.descriptors, settings=params.model, seed=params.seed
        )
        trained = read_json(TRAIN / name / "summary.json", stage="train")
        tables.append(table.assign(architecture=name, learned=bool(trained["learned"])))
    return pd.concat(tables, ignore_index=True)


def _clustered(name: str, data: Ingested, params: Params) -> Clustered:
    """Cluster the test images in every way."""
    ids = np.unique(data.manifest.split(TEST)["id"].to_numpy(dtype=str))
    given = params.cluster.known_generators or (data.labels["generator"].nunique() or None)
    stored, backend = _embedded(name, data, params)
    content = data.descriptors.select(ids)
    batch = backend.reduce(stored.select(ids), ids, content, views=stored.views)
    raw = Embedded(ids, stored.select(ids), content, stored.views)
    columns: dict[str, Any] = {"id": ids}
    answers: dict[str, Attribution] = {}
    for clusterer in CLUSTERERS:
        chosen = replace(backend, clusterer=clusterer)
        for mode, is_given in MODES.items():
            if is_given and (given is None or clusterer == DENSITY):
                continue
            count = given if is_given else None
            if clusterer == RAW:
                space, numbers = chosen.space(batch), params.model
                found = partition(RAW, raw, space, count=count, settings=numbers, seed=params.seed)
                columns[f"{clusterer}_{mode}"] = found.labels
                continue
            answer = chosen.together(batch, clusters=count)
            columns[f"{clusterer}_{mode}"] = answer.labels
            if not is_given:
                answers[clusterer] = answer
    return Clustered(pd.DataFrame(columns), answers)


def _embedded(name: str, data: Ingested, params: Params) -> tuple[Embeddings, BackEnd]:
    """All embeddings of an extractor, and the back end that development taught."""
    if name not in (ENSEMBLE, CONTENT):
        return read_embeddings(name), load_backend(TRAIN / name / "model")
    stored = data.content
    if name == ENSEMBLE:
        stored = fuse([read_embeddings(member) for member in members(params)])
    features = stored.select(data.development["id"].to_numpy(dtype=str))
    generators = data.development["generator"].to_numpy(dtype=str)
    reference = Reference(features, generators, views=stored.views)
    return stored, BackEnd.fit(reference, settings=params.model, seed=params.seed).named()


def members(params: Params) -> list[str]:
    """The networks that have learned, by accuracy on development: the ensemble of them all."""
    return [
        name
        for name in params.architectures
        if recipe_of(name)[1] == FINGERPRINT
        and read_json(TRAIN / name / "summary.json", stage="train")["learned"]
    ]


def _test_scores(clustered: dict[str, Clustered], data: Ingested, params: Params) -> pd.DataFrame:
    """One row per extractor, clusterer and mode; no rows where the test set has no labels."""
    rows = []
    labels = data.labels
    for name, found in clustered.items():
        joined = labels.merge(found.labels, on="id", how="left", validate="many_to_one")
        for column in found.labels.columns.drop("id"):
            if joined.empty:
                continue
            clusterer, mode = column.rsplit("_", 1)
            card = score(
                joined[column].to_numpy(dtype=int),
                joined["generator"].to_numpy(dtype=str),
                bootstrap=params.cluster.bootstrap,
                permutations=params.cluster.permutations,
                seed=params.seed,
            )
            rows.append({"architecture": name, "clusterer": clusterer, "mode": mode, **vars(card)})
    return pd.DataFrame(rows)


def _development_means(development: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean open-world ARI over the held-out generators, by extractor and clusterer_mode."""
    mode = development["known"].map({True: "known", False: "unknown"})
    named = development.assign(column=development["clusterer"] + "_" + mode)
    means = named.groupby(["architecture", "column"], as_index=False)["ari"].mean()
    nested: dict[str, dict[str, float]] = {}
    for name, column, ari in means.itertuples(index=False, name=None):
        nested.setdefault(name, {})[column] = float(ari)
    return nested


def _metrics(development: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    """What `dvc metrics show` shows."""
    metrics: dict[str, Any] = {"development_ari": _development_means(development), "test_ari": {}}
    for row in scores.to_dict("records"):
        column = f"{row['clusterer']}_{row['mode']}"
        metrics["test_ari"].setdefault(row["architecture"], {})[column] = row["ari"]
    return metrics


def _log_per_extractor(params: Params, development: pd.DataFrame, scores: pd.DataFrame) -> None:
    """Put the scores on the run that trained the extractor, where the UI compares extractors."""
    means = _development_means(development)
    for name in params.architectures:
        metrics = {f"development_ari/{column}": ari for column, ari in means[name].items()}
        for row in scores[scores["architecture"] == name].to_dict("records") if len(scores) else []:
            column = f"{row['clusterer']}_{row['mode']}"
            metrics[f"test_ari/{column}"] = row["ari"]
            metrics[f"test_ari_interval/{column}_low"] = row["ari_low"]
            metrics[f"test_ari_interval/{column}_high"] = row["ari_high"]
        run_id = read_json(TRAIN / name / "summary.json", stage="train")["run_id"]
        if not runs.add_to_run(run_id, metrics, CLUSTER / "figures" / name):
            print(f"The run that trained {name} is not in this tracking store; scores not added.")


def _print(scores: pd.DataFrame, data: Ingested) -> None:
    console = Console(markup=False)
    if scores.empty:
        console.print("No test_labels.csv: the test images were clustered, and cannot be scored.")
        return
    table = Table(title=f"ARI on {data.summary['test_images']} test images (95 % interval)")
    for heading in ("extractor", "k-means", "k-means whitened", "open world, number unknown"):
        table.add_column(heading)
    shown = [("kmeans", "known"), ("kmeans_whitened", "known"), ("open_world", "unknown")]
    by_key = {(r["architecture"], r["clusterer"], r["mode"]): r for r in scores.to_dict("records")}
    for name in dict.fromkeys(scores["architecture"]):
        cells = []
        for clusterer, mode in shown:
            row = by_key[name, clusterer, mode]
            cells.append(f"{row['ari']:+.4f} [{row['ari_low']:+.4f}, {row['ari_high']:+.4f}]")
        table.add_row(name, *cells)
    console.print(table)
