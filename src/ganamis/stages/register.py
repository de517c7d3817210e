"""`register` and `promote`: the selected model into the registry, and past the champion."""

import shutil
from dataclasses import asdict

import pandas as pd

from ganamis import registry, tracking
from ganamis.attribution.assignment import Assignment, SpaceSettings, fit_assignment
from ganamis.clustering.selection import prepare_fold
from ganamis.contracts import DEVELOPMENT, Embeddings
from ganamis.files import read_json, require, whole_folder, write_json
from ganamis.params import Params
from ganamis.stages.cluster import read_folds, read_reference
from ganamis.stages.paths import CLUSTER, PROMOTE, REGISTER, SELECT, TRAIN, Ingested, read_ingested


def register(params: Params) -> None:
    """Register extractor, whitening, clusters and names as one model, the challenger."""
    data = read_ingested(params)
    chosen = read_json(SELECT / "selection.json", stage="select")
    name, clusterer = chosen["architecture"], chosen["clusterer"]
    with tracking.stage_run(
        "register",
        name=f"{name} + {clusterer}",
        params={"data_digest": data.digest, "seed": params.seed, **chosen},
        tags={"architecture": name, "profile": params.profile},
    ):
        tracking.log_data(data.manifest, data.root, data.digest, split=DEVELOPMENT)
        with whole_folder(REGISTER) as folder:
            shutil.copytree(TRAIN / name / "extractor", folder / "model" / "extractor")
            _assignment(name, clusterer, data, params).save(folder / "model" / "assignment.npz")
            version = registry.register(
                folder / "model",
                _evidence(name, clusterer, params),
                size=params.data.size,
                limits=params.serve.model_dump(),
                tags={
                    "architecture": name,
                    "clusterer": clusterer,
                    "training_run": read_json(TRAIN / name / "summary.json", stage="train")[
                        "run_id"
                    ],
                    "data_digest": data.digest,
                    "git_commit": tracking.git_tags()["git_commit"],
                    "development_ari_unknown": f"{chosen['development_ari_unknown']:.4f}",
                },
            )
            write_json(
                folder / "version.json",
                {"name": registry.MODEL, "version": int(version.version), "run_id": version.run_id},
            )
    print(f"Registered {registry.MODEL} version {version.version} as {registry.CHALLENGER}.")


def _assignment(name: str, clusterer: str, data: Ingested, params: Params) -> Assignment:
    stored = Embeddings.load(require(TRAIN / name / "embeddings.npz", stage="train"))
    clusters = pd.read_csv(require(CLUSTER / "assignments" / f"{name}.csv", stage="cluster"))
    features = stored.select(clusters["id"].to_numpy(dtype=str))
    numbers = params.cluster.open_world
    return fit_assignment(
        features,
        clusters[f"{clusterer}_unknown"].to_numpy(),
        read_reference(name, stored, data),
        read_folds(name),
        views=stored.views,
        settings=SpaceSettings(numbers.components, numbers.shrinkage),
        parts=params.attribution.parts,
        seed=params.seed,
    )


def _evidence(name: str, clusterer: str, params: Params) -> pd.DataFrame:
    """The open-world clusters behind the selection score, image by image."""
    tables = []
    for fold in read_folds(name):
        prepared = prepare_fold(fold, clusterer, settings=params.cluster)
        labels = prepared.cluster(count=None, seed=params.seed)
        tables.append(
            pd.DataFrame(
                {
                    "held_out": fold.held_out,
                    "id": fold.embeddings.ids[fold.query],
                    "generator": fold.generators[fold.query],
                    "label": labels,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def promote(params: Params) -> None:
    """Let the gate compare the challenger with the champion; write its decision."""
    version = read_json(REGISTER / "version.json", stage="register")
    tracking.connect()
    decision = registry.promote(version["version"], **params.promote.model_dump(), seed=params.seed)
    write_json(PROMOTE / "decision.json", asdict(decision))
    outcome = "is champion" if decision.promoted else "is not promoted"
    print(f"Version {decision.challenger} {outcome}: {decision.reason}.")
