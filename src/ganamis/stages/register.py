"""`register`: the selected model into the registry, as challenger."""

from dataclasses import replace

from ganamis.contracts import DEVELOPMENT
from ganamis.files import read_json, require, try_output, whole_folder, write_json
from ganamis.model.evaluation import fold_clusters
from ganamis.model.storage import load_model, save_model
from ganamis.params import Params
from ganamis.registry import history, names, versions
from ganamis.registry.gate import open_world_ari
from ganamis.stages.cluster import read_folds
from ganamis.stages.paths import REGISTER, SELECT, TRAIN, read_ingested
from ganamis.tracking import runs
from ganamis.tracking.store import shown, store_uri


def register(params: Params) -> None:
    """Register the model that was selected, with the clusterer that was selected."""
    try_output(REGISTER, folder=True)
    data = read_ingested(params)
    chosen = read_json(SELECT / "selection.json", stage="select")
    name, clusterer = chosen["architecture"], chosen["clusterer"]
    model = load_model(require(TRAIN / name / "model", stage="train"))
    model = replace(model, backend=replace(model.backend, clusterer=clusterer))
    with runs.stage_run(
        "register",
        name=f"{name} + {clusterer}",
        params={"data_digest": data.digest, "seed": params.seed, **chosen},
        tags={"architecture": name, "profile": params.profile},
    ):
        runs.log_data(data.manifest, data.root, data.digest, split=DEVELOPMENT)
        evidence = fold_clusters(
            read_folds(name),
            clusterer,
            content=data.descriptors,
            settings=model.backend.settings,
            seed=params.seed,
        )
        ari, low, high = open_world_ari(
            evidence, bootstrap=params.promote.bootstrap, seed=params.seed
        )
        with whole_folder(REGISTER) as folder:
            save_model(model, folder / "model")
            version = versions.register(
                folder / "model",
                evidence,
                limits=params.serve.model_dump(),
                tags={
                    "architecture": name,
                    "clusterer": clusterer,
                    "training_run": read_json(TRAIN / name / "summary.json", stage="train")[
                        "run_id"
                    ],
                    "data_digest": data.digest,
                    "git_commit": runs.git_tags()["git_commit"],
                    versions.ARI: history.ari_tag(ari, low, high),
                },
            )
            write_json(
                folder / "version.json",
                {
                    "name": names.MODEL,
                    "version": int(version.version),
                    "run_id": version.run_id,
                    "store": shown(store_uri()),
                },
            )
    print(f"Registered {names.MODEL} version {version.version} as {names.CHALLENGER}.")
