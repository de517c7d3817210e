"""`report`: one HTML page of what a run of the pipeline found, readable without a server."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from ganamis.contracts import TEST, UNASSIGNED, Version
from ganamis.data.batches import load_images
from ganamis.extractors.candidates import FINGERPRINT, recipe_of
from ganamis.extractors.importance import importances
from ganamis.files import read_json, require, try_output, whole_folder
from ganamis.params import ExtractorName, Params
from ganamis.registry.history import all_versions
from ganamis.report import pictures, wording
from ganamis.report.benchmark import columns, degradation_chart, table_rows
from ganamis.report.history import trend_chart
from ganamis.report.networks import Trained, trained_rows
from ganamis.report.page import Benchmark, Report, render
from ganamis.report.parts import Group, Picture
from ganamis.report.search_chart import AXES, search_chart
from ganamis.stages.drawings import LINKAGE
from ganamis.stages.lineage import read_steps
from ganamis.stages.paths import (
    BENCHMARK,
    CLUSTER,
    PROMOTE,
    REGISTER,
    REPORT,
    SELECT,
    TRAIN,
    TRIALS_FILE,
    Ingested,
    read_ingested,
)
from ganamis.tracking import runs

EXAMPLES = 6  # images of each cluster
PAGE = "report.html"


def report(params: Params) -> None:
    """Read what every stage wrote; write `report.html` and log it."""
    try_output(REPORT, folder=True)
    data = read_ingested(params)
    selection = read_json(SELECT / "selection.json", stage="select")
    version = read_json(REGISTER / "version.json", stage="register")
    gate = _flat(read_json(PROMOTE / "decision.json", stage="promote"))
    scores = _scores()
    groups = _groups(data, selection)
    benchmark = read_benchmark(BENCHMARK)
    registered = all_versions()
    untrained = [name for name in get_args(ExtractorName) if name not in params.architectures]
    with runs.stage_run(
        "report",
        name="report",
        params={"data_digest": data.digest, "seed": params.seed},
        tags={"profile": params.profile, "architecture": selection["architecture"]},
    ) as run:
        page = Report(
            run_id=run.info.run_id,
            seed=params.seed,
            profile=params.profile,
            data=data.summary,
            data_root=str(data.root),
            selection=selection,
            scores=scores,
            trained=_trained(params, scores),
            search_chart=read_searches(params),
            groups=groups,
            ari_chart=_ari_chart(scores),
            figures=_figures(selection, groups, data),
            benchmark=benchmark,
            version=version,
            versions=registered,
            trend=read_trend(registered),
            gate=gate,
            steps=read_steps(params, report_run=run.info.run_id),
            permutations=params.cluster.permutations,
            missing=wording.missing(
                labelled=not scores.empty,
                benchmark=benchmark is not None,
                compared=any(
                    "difference" in key for key, value in gate.items() if value is not None
                ),
                untrained=untrained,
                profile=params.profile,
            ),
        )
        with whole_folder(REPORT) as folder:
            (folder / PAGE).write_text(render(page), encoding="utf-8")
            runs.log_folder(folder, under="report")
    print(f"Wrote '{REPORT / PAGE}'; it opens in any browser, without a server.")


def _scores() -> pd.DataFrame:
    """The test scores; no rows where the test set has no labels."""
    path = require(CLUSTER / "scores.csv", stage="cluster")
    try:
        return pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def _trained(params: Params, scores: pd.DataFrame) -> tuple[Trained, ...]:
    summaries = [
        (read_json(TRAIN / name / "summary.json", stage="train"), recipe_of(name))
        for name in params.architectures
    ]
    return trained_rows(summaries, scores)


def read_searches(params: Params) -> Picture | None:
    """What the networks' searches tried, by the recipe that has a depth to choose."""
    tables = [
        pd.read_csv(require(TRAIN / name / TRIALS_FILE, stage="train")).assign(architecture=network)
        for name in params.architectures
        for network, recipe in (recipe_of(name),)
        if recipe == FINGERPRINT
    ]
    if not tables:
        return None
    trials = pd.concat(tables, ignore_index=True)
    shares = importances(trials, ["architecture", *AXES], seed=params.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "searches.png"
        search_chart(trials, shares, path)
        return pictures.from_file(
            path,
            title="Where the fingerprint is read: what the searches tried",
            alt=wording.searches(trials, shares),
            caption="Each line is a trial of one network: its settings, and the mean ARI of the "
            "development folds, one generator held out of each. Dotted trials were stopped early.",
        )


def read_trend(versions: tuple[Version, ...]) -> Picture | None:
    """The scores of all versions as a chart, where there are two or more."""
    if sum(version.ari is not None for version in versions) < 2:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trend.png"
        trend_chart(versions, path)
        return pictures.from_file(
            path,
            title="ARI of every version",
            alt=wording.trend(versions),
            caption="Open-world ARI on development images and its 95 % interval. One colour is one "
            "data set; lines join versions of the same data.",
        )


def _flat(decision: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The gate's decision, one level deep: `interval.low` for a key inside another."""
    flat: dict[str, Any] = {}
    for key, value in decision.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}: ")
        else:
            flat[name] = value
    return flat


def _groups(data: Ingested, selection: Mapping[str, Any]) -> tuple[Group, ...]:
    """The clusters of the chosen clustering, named as in the registered model."""
    name, clusterer = selection["architecture"], selection["clusterer"]
    table = pd.read_csv(require(CLUSTER / "assignments" / f"{name}.csv", stage="cluster"))
    labels = table.set_index("id")[f"{clusterer}_unknown"]
    truth = data.labels.drop_duplicates("id").set_index("id")["generator"]
    path = require(CLUSTER / "assignments" / f"{name}_names.csv", stage="cluster")
    named = pd.read_csv(path, dtype={"generator": str}, keep_default_na=False)
    named = named[named["clusterer"] == clusterer].set_index("cluster")
    clusters = sorted(set(labels) - {UNASSIGNED})
    groups = []
    for cluster in [*clusters, UNASSIGNED]:
        ids = labels.index[labels == cluster]
        if not len(ids):
            continue
        assigned = cluster != UNASSIGNED
        title = f"cluster {cluster}" if assigned else "unassigned"
        makers = truth.loc[ids].value_counts() if len(truth) else pd.Series(dtype=int)
        groups.append(
            Group(
                title=title,
                name=str(named["generator"][cluster]) if assigned else "",
                known=assigned and bool(named["known"][cluster]),
                images=len(ids),
                makers=tuple((str(maker), int(images)) for maker, images in makers.items()),
                examples=_examples(title, sorted(ids)[:EXAMPLES], truth, data),
            )
        )
    return tuple(groups)


def _examples(title: str, ids: list[str], truth: pd.Series, data: Ingested) -> tuple[Picture, ...]:
    """The first images by id, which is a digest: as good as drawn at random."""
    rows = data.manifest.split(TEST).drop_duplicates("id").set_index("id").loc[ids].reset_index()
    found = []
    for place, (pixels, identity) in enumerate(zip(load_images(data.root, rows), ids, strict=True)):
        maker = truth.get(identity)
        by = f", made by {maker}" if maker is not None else ""
        found.append(
            pictures.example(pixels, alt=f"Example {place + 1} of {title}{by}", caption=maker or "")
        )
    return tuple(found)


def _ari_chart(scores: pd.DataFrame) -> Picture | None:
    path = CLUSTER / "figures" / "ari.png"
    if scores.empty or not path.exists():
        return None
    return pictures.from_file(
        path,
        title="ARI of every extractor",
        alt=wording.ari_chart(scores),
        caption="Marks are scores on the test images, bars are 95 % intervals.",
    )


def _figures(
    selection: Mapping[str, Any], groups: tuple[Group, ...], data: Ingested
) -> tuple[Picture, ...]:
    """The figures of the chosen extractor; those that this run could not draw are left out."""
    figures = CLUSTER / "figures"
    chosen = figures / selection["architecture"]
    labelled = not data.labels.empty
    makers = sorted(set(data.labels["generator"])) if labelled else data.summary["generators"]
    drawn = [
        (
            figures / "generators.png",
            "Fingerprint of each generator",
            wording.spectra(makers, "generator"),
            "Mean log power spectrum of each generator's "
            + ("test" if labelled else "development")
            + " images, less the mean of all generators. Zero frequency is in the centre.",
        ),
        (
            chosen / "spectra.png",
            "Fingerprint of each cluster",
            wording.spectra([group.title for group in groups], "cluster"),
            "The same for each cluster. A cluster that is one generator shows that generator's "
            "pattern.",
        ),
        (
            chosen / "embedding_map.png",
            "Map of the images",
            wording.embedding_map(groups, labelled=labelled),
            "Each mark is an image, placed by the two directions along which the fingerprints "
            "differ most. Groups that overlap here may be apart in the other directions.",
        ),
        (
            chosen / "confusion.png",
            "Clusters against generators",
            wording.confusion(groups) if labelled else "",
            "Perfect clusters have one number in each row and one in each column.",
        ),
        (
            chosen / "dendrogram.png",
            "Lineage of the clusters",
            _lineage(chosen / LINKAGE, groups),
            "Clusters that join early leave similar fingerprints: of one family of models, or of "
            "similar training.",
        ),
    ]
    return tuple(
        pictures.from_file(path, title=title, alt=alt, caption=caption)
        for path, title, alt, caption in drawn
        if alt and path.exists()
    )


def _lineage(table: Path, groups: tuple[Group, ...]) -> str:
    if not table.exists():
        return ""
    return wording.dendrogram(pd.read_csv(table).to_numpy(), sorted(g.title for g in groups))


def read_benchmark(table: Path) -> Benchmark | None:
    """The scores under degradations, if `ganamis benchmark` has left them there."""
    if not table.exists():
        return None
    scores = pd.read_csv(table)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "degradations.png"
        degradation_chart(scores, path)
        chart = pictures.from_file(
            path,
            title="ARI under degradations",
            alt=wording.degradations(scores),
            caption="Lines join means over seeds; bars are standard deviations.",
        )
    return Benchmark(
        file=str(table),
        md5=hashlib.md5(table.read_bytes(), usedforsecurity=False).hexdigest(),
        seeds=int(scores["seed"].nunique()),
        columns=tuple(columns(scores)),
        rows=tuple(table_rows(scores)),
        chart=chart,
    )
