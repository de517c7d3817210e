"""`attribute`: a folder in, one line per image out; no tracking server, no other stage."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ganamis.attribution.pipeline import Attribution, AttributionConfig, fit
from ganamis.clustering.open_world import OpenWorld
from ganamis.contracts import DEVELOPMENT, TEST, UNASSIGNED
from ganamis.data.batches import load_images, stream_images
from ganamis.data.degradations import CLEAN
from ganamis.data.manifest import CheckedFolder, check_folder
from ganamis.errors import UserError
from ganamis.extractors.spectrum import Spectrum
from ganamis.files import whole_file
from ganamis.params import Params

AUTO = "auto"
COLUMNS = ("image", "cluster", "generator", "score")
BATCH = 256  # images in memory at once
KEPT = 4096  # decoded images kept from the check; 256 MiB of 256x256 pixels


def attribute(
    folder: Path,
    params: Params,
    *,
    out: Path,
    clusters: str,
    model: str | None,
    submission: Path | None,
) -> None:
    """Attribute the images in `folder/test`, and write `image,cluster,generator,score`.

    Args:
        clusters: how many generators, or `auto` to find out.
        model: URI of a registered model that attributes image by image; None fits the default
            extractor on `folder/development`.
        submission: where to write the challenge's form, `image,cluster` without a header and
            clusters counted from 1; None to leave it.

    Raises:
        UserError: a bad folder (all offenders listed), number, or model.
    """
    count = _number(clusters)
    if model is not None and count is not None:
        raise UserError("--clusters goes with the default extractor; leave it out beside --model")
    checked = check_folder(
        folder,
        size=params.data.size,
        near_duplicate=params.data.near_duplicate,
        keep=KEPT if model is None else 0,
    )
    rows = checked.manifest.split(TEST)
    if count is not None and count > len(rows):
        raise UserError(f"--clusters is {count}, but there are {len(rows)} images in {TEST}/")
    if model is None:
        found = _by_default_extractor(folder, checked, params, count)
    else:
        found = _by_model(folder, rows, model)
    names = [Path(path).name for path in rows["path"]]
    table = found.assign(image=names)[list(COLUMNS)].sort_values("image")
    with whole_file(out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")
    if submission is not None:
        _write_submission(table, submission)
    _print(table, out)


def _number(clusters: str) -> int | None:
    if clusters == AUTO:
        return None
    if not clusters.isdigit() or int(clusters) < 1:
        raise UserError(f"--clusters is '{clusters}'; expected {AUTO} or a whole number from 1")
    return int(clusters)


def attribution_config(params: Params) -> AttributionConfig:
    """The attribution pipeline's settings, from params.yaml."""
    numbers = params.cluster.open_world
    return AttributionConfig(
        conditions=(CLEAN, *params.active.degradations),
        independent=params.attribution.independent,
        open_world=OpenWorld(**numbers.search.model_dump()),
        **numbers.model_dump(exclude={"search"}),
    )


def default_extractor(params: Params) -> Spectrum:
    """The spectral extractor with the numbers that its search tries first."""
    numbers = params.active.extractors.spectrum
    first = numbers.first_trial
    return Spectrum(grid=first.grid, periods=(first.fine, first.coarse), threads=numbers.threads)


def _by_default_extractor(
    folder: Path, checked: CheckedFolder, params: Params, count: int | None
) -> pd.DataFrame:
    development = checked.manifest.split(DEVELOPMENT).drop_duplicates("id")
    rows = checked.manifest.split(TEST)
    attributor = fit(
        default_extractor(params),
        load_images(folder, development, decoded=checked.decoded),
        development["generator"].to_numpy(dtype=str),
        config=attribution_config(params),
        seed=params.seed,
    )
    unique = rows.drop_duplicates("id")
    embeddings = attributor.embed_stream(_batches(folder, unique, checked.decoded))
    result = attributor.cluster(embeddings, clusters=count)
    table = pd.DataFrame(
        {
            "cluster": result.labels,
            "generator": result.image_names,
            "score": result.image_scores,
        },
        index=unique["id"],
    )
    _print_conditions(result)
    return table.loc[rows["id"]].reset_index(drop=True)


def _by_model(folder: Path, rows: pd.DataFrame, uri: str) -> pd.DataFrame:
    from ganamis.registry.versions import load_model
    from ganamis.tracking.runs import connect

    connect()
    loaded = load_model(uri)
    tables = []
    for start in track(range(0, len(rows), BATCH), description="Attributing"):
        paths = rows["path"].iloc[start : start + BATCH]
        encoded = [(folder / path).read_bytes() for path in paths]
        tables.append(loaded.predict(pd.DataFrame({"image": encoded})))
    return pd.concat(tables, ignore_index=True)


def _batches(
    folder: Path, rows: pd.DataFrame, decoded: dict[str, np.ndarray]
) -> Iterable[np.ndarray]:
    return track(
        stream_images(folder, rows, batch=BATCH, decoded=decoded),
        total=-(-len(rows) // BATCH),
        description="Embedding",
    )


def _write_submission(table: pd.DataFrame, path: Path) -> None:
    order = {cluster: place for place, cluster in enumerate(np.unique(table["cluster"]), start=1)}
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        for image, cluster in zip(table["image"], table["cluster"], strict=True):
            writer.writerow([Path(image).stem, order[cluster]])


def _print_conditions(result: Attribution) -> None:
    shares = {name: share for name, share in result.conditions.items() if share >= 0.05}
    text = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    Console().print(f"Post-processing the images seem to have met: {text}")


def _print(table: pd.DataFrame, out: Path) -> None:
    counts = table.groupby(["cluster", "generator"]).agg(
        images=("image", "size"), score=("score", "mean")
    )
    print_clusters(counts.reset_index(), out)


def print_clusters(counts: pd.DataFrame, out: object) -> None:
    """Print columns `cluster`, `generator`, `images` and `score` (a mean) as a table."""
    assigned = counts[counts["cluster"] != UNASSIGNED]
    title = f"{len(assigned)} generators made {assigned['images'].sum()} images"
    stray = counts["images"].sum() - assigned["images"].sum()
    shown = Table(title=title + (f"; {stray} fit none of them" if stray else ""))
    for heading in ("cluster", "generator", "images", "mean score"):
        shown.add_column(heading)
    for cluster, generator, images, score in counts.itertuples(index=False):
        shown.add_row(str(cluster), str(generator), str(images), f"{score:.2f}")
    Console().print(shown)
    Console().print(f"Written to '{out}'.")
