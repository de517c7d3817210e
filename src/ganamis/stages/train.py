"""`train`: search, fit and embed with one extractor."""

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial
from rich.progress import track

from ganamis.contracts import DEVELOPMENT, Embeddings, Extractor, Reference, view_means
from ganamis.data.batches import load_images, stream_images
from ganamis.data.degradations import degrade
from ganamis.data.splits import held_out_share
from ganamis.extractors.accuracy import held_out_accuracy
from ganamis.extractors.candidates import NAMED, candidate, extractor_name, recipe_of, search_of
from ganamis.extractors.power_spectra import mean_spectra
from ganamis.extractors.search import (
    VALUES,
    Candidate,
    DevelopmentSet,
    Objective,
    evaluate,
    save_folds,
    search,
    trial_folder,
)
from ganamis.extractors.shared_search import run_shared
from ganamis.extractors.shared_storage import open_study, storage_url
from ganamis.files import try_output, whole_folder, write_json
from ganamis.model.backend import BackEnd
from ganamis.model.evaluation import search_objective
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import save_model
from ganamis.params import Params
from ganamis.stages.paths import TRAIN, TRIALS_FILE, WORK, Ingested, read_ingested, settings_digest
from ganamis.tracking import runs

BATCH = 64  # images embedded at once
LOGS = "logs"
MEASURED = ("development_accuracy", "learned", "images_per_second", "seconds")


def train(architecture: str, params: Params, *, recipe: str = NAMED) -> None:
    """Search, fit and embed with one extractor; write its model, embeddings and folds.

    Args:
        architecture: an extractor's name, or, with a recipe, its first half.
    """
    architecture = extractor_name(architecture, recipe)
    chosen = candidate(architecture, params)
    try_output(TRAIN / architecture, folder=True)
    data = read_ingested(params)
    started = time.monotonic()
    parts = dict(zip(("architecture", "recipe"), recipe_of(architecture), strict=True))
    key = study_key(chosen, data, params)
    work = WORK / "train" / architecture
    with runs.stage_run(
        "train",
        name=architecture,
        params={"seed": params.seed, "data_digest": data.digest, **chosen.settings},
        tags={"extractor": architecture, **parts, "profile": params.profile},
    ) as run:
        runs.log_data(data.manifest, data.root, data.digest, split=DEVELOPMENT)
        development = development_set(data, chosen.degradations, params)

        tried: list[FrozenTrial] = []

        def log(trial: FrozenTrial) -> None:
            tried.append(trial)
            runs.log_trial(run, trial, extractor=architecture, tags=parts)

        if (url := storage_url()) is None:
            best = search(
                chosen,
                development,
                objective(params),
                settings=search_of(architecture, params.active),
                seed=params.seed,
                study_name=key,
                folder=work,
                finished=log,
            )
            folds = trial_folder(work, key, best.number)
        else:
            best = share(url, architecture, key, chosen, development, params, finished=log)
            folds = work / key / "best"
            save_folds(chosen, development, best.user_attrs[VALUES], folder=folds)
        values = best.user_attrs[VALUES]
        fitting = work / key / "fit"
        held_out = held_out_share(
            data.development, share=params.active.search.held_out_share, seed=params.seed + 1
        )
        extractor = chosen.fit_final(
            development.images, development.labels, values, held_out=held_out, folder=fitting
        )
        embeddings, speed = _embed(extractor, data)
        accuracy = held_out_accuracy(
            view_means(embeddings.select(development.ids), embeddings.views),
            development.labels,
            held_out,
        )
        summary: dict[str, Any] = {
            "architecture": architecture,
            "run_id": run.info.run_id,
            "data_digest": data.digest,
            "values": values,
            "development_accuracy": accuracy,
            "learned": accuracy >= params.active.search.learned,
            "images_per_second": round(speed, 1),
            "seconds": round(time.monotonic() - started, 1),
        }
        _say(summary, params.active.search.learned)
        with whole_folder(TRAIN / architecture) as folder:
            save_model(_model(extractor, embeddings, development, params), folder / "model")
            embeddings.save(folder / "embeddings.npz")
            for generator in development.names:
                shutil.copytree(folds / generator, folder / "folds" / generator)
            (fitting / LOGS).mkdir(parents=True, exist_ok=True)
            shutil.copytree(fitting / LOGS, folder / LOGS)
            trials_table(tried).to_csv(folder / TRIALS_FILE, index=False)
            write_json(folder / "metrics.json", {"development_ari_known": best.value})
            write_json(folder / "summary.json", summary)
        runs.log_folder(TRAIN / architecture / LOGS, under=LOGS)
        runs.log_search_result(
            values,
            {
                "development_ari_known": float(best.value or 0.0),
                **{key: float(summary[key]) for key in MEASURED},
            },
        )
        shutil.rmtree(fitting)


def _say(summary: dict[str, Any], least: float) -> None:
    accuracy = summary["development_accuracy"]
    print(f"Accuracy on held-out development images: {accuracy:.3f}", flush=True)
    if not summary["learned"]:
        print(
            f"{summary['architecture']} has not learned: {accuracy:.3f} is below {least}; "
            "it cannot be selected.",
            flush=True,
        )


def _model(
    extractor: Extractor, embeddings: Embeddings, development: DevelopmentSet, params: Params
) -> FingerprintModel:
    """The one model, fitted on all development images."""
    reference = Reference(
        embeddings.select(development.ids),
        development.generators,
        development.copies(extractor, np.full(len(development.ids), True)),
        embeddings.views,
    )
    backend = BackEnd.fit(reference, settings=params.model, seed=params.seed)
    spectra = mean_spectra(development.images, development.generators)
    return FingerprintModel(extractor, backend.calibrated(), spectra)


def trials_table(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row per finished trial: `number`, `state`, `development_ari`, its hyper-parameters.

    The score of a pruned trial is the mean of the folds it was given.
    """
    rows = [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "development_ari": trial.value,
            **trial.params,
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)


def study_key(chosen: Candidate, data: Ingested, params: Params) -> str:
    """A digest of all that a search depends on: data, seed and the candidate's settings."""
    return settings_digest({"data": data.digest, "seed": params.seed, **chosen.settings})


def shared_name(architecture: str, key: str) -> str:
    """The name of a search in a shared database, which may hold many."""
    return f"ganamis-{architecture}-{key}"


def objective(params: Params) -> Objective:
    """What a search maximises on each fold."""
    return lambda fold: search_objective(fold, settings=params.model, seed=params.seed)


def share(
    url: str,
    architecture: str,
    key: str,
    chosen: Candidate,
    development: DevelopmentSet,
    params: Params,
    *,
    create: bool = True,
    finished: Callable[[FrozenTrial], None],
) -> FrozenTrial:
    """Take part in the search of `architecture` in the database at `url` until it has finished.

    Args:
        key: of `study_key`, which tells it from other searches there.

    Returns:
        The best trial, wherever it was run.
    """
    settings, shared = search_of(architecture, params.active), params.shared_search
    name = shared_name(architecture, key)
    with open_study(url, name, settings=settings, shared=shared, create=create) as opened:
        print(f"Search '{name}' at {opened.address}", flush=True)
        run_shared(
            opened,
            lambda trial: evaluate(trial, chosen, development, objective(params)),
            first=chosen.first,
            settings=settings,
            shared=shared,
            seed=params.seed,
            finished=finished,
        )
        return opened.best


def development_set(
    data: Ingested, degradations: tuple[str, ...], params: Params
) -> DevelopmentSet:
    """The development images with their degraded copies, and which of them are queried."""
    rows = data.development
    images = load_images(data.root, rows)
    return DevelopmentSet(
        ids=rows["id"].to_numpy(dtype=str),
        images=images,
        generators=rows["generator"].to_numpy(dtype=str),
        query=held_out_share(rows, share=params.active.search.query_share, seed=params.seed),
        degraded={name: degrade(images, name, seed=params.seed) for name in degradations},
    )


def _embed(extractor: Extractor, data: Ingested) -> tuple[Embeddings, float]:
    """The embeddings of all images, and how many it made in a second."""
    rows = data.manifest.rows.drop_duplicates("id").sort_values("id").reset_index(drop=True)
    batches = track(
        stream_images(data.root, rows, batch=BATCH),
        total=-(-len(rows) // BATCH),
        description="Embedding",
    )
    started = time.monotonic()
    features = np.concatenate([extractor.embed(images) for images in batches])
    speed = len(rows) / (time.monotonic() - started)
    return Embeddings(rows["id"].to_numpy(dtype=str), features, extractor.views), speed
