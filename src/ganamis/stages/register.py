"""`register`: the selected model into the registry, as challenger."""

import shutil

import pandas as pd

from ganamis.attribution.assignment import Assignment, SpaceSettings, fit_assignment
from ganamis.clustering.selection import fold_clusters
from ganamis.contracts import DEVELOPMENT, Embeddings
from ganamis.files import read_json, require, whole_folder, write_json
from ganamis.params import Params
from ganamis.registry import versions
from ganamis.stages.cluster import read_folds, read_reference
from ganamis.stages.paths import CLUSTER, REGISTER, SELECT, TRAIN, Ingested, read_ingested
from ganamis.tracking import runs


def register(params: Params) -> None:
    """Register extractor, whitening, clusters and names as one model, the challenger."""
    data = read_ingested(params)
    chosen = read_json(SELECT / "selection.json", stage="select")
    name, clusterer = chosen["architecture"], chosen["clusterer"]
    with runs.stage_run(
        "register",
        name=f"{name} + {clusterer}",
        params={"data_digest": data.digest, "seed": params.seed, **chosen},
        tags={"architecture": name, "profile": params.profile},
    ):
        runs.log_data(data.manifest, data.root, data.digest, split=DEVELOPMENT)
        with whole_folder(REGISTER) as folder:
            shutil.copytree(TRAIN / name / "extractor", folder / "model" / "extractor")
            _assignment(name, clusterer, data, params).save(folder / "model" / "assignment.npz")
            version = versions.register(
                folder / "model",
                fold_clusters(
                    read_folds(name), clusterer, settings=params.cluster, seed=params.seed
                ),
                size=params.data.size,
                limits=params.serve.model_dump(),
                tags={
                    "architecture": name,
                    "clusterer": clusterer,
                    "training_run": read_json(TRAIN / name / "summary.json", stage="train")[
                        "run_id"
                    ],
                    "data_digest": data.digest,
                    "git_commit": runs.git_tags()["git_commit"],
                    "development_ari_unknown": f"{chosen['development_ari_unknown']:.4f}",
                },
            )
            write_json(
                folder / "version.json",
                {"name": versions.MODEL, "version": int(version.version), "run_id": version.run_id},
            )
    print(f"Registered {versions.MODEL} version {version.version} as {versions.CHALLENGER}.")


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
