"""`benchmark`: the model on labelled folders, clean and degraded, known and unknown generators."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import OPEN_WORLD
from ganamis.contracts import CLEAN, UNASSIGNED, Embedded
from ganamis.data.degradations import MIX, TAUGHT, UNTAUGHT, degrade
from ganamis.data.images import pixel_digest
from ganamis.data.labelled import LabelledImages, read_labelled
from ganamis.errors import UserError
from ganamis.files import try_output, whole_file
from ganamis.model.backend import BackEnd
from ganamis.model.catalogue import taught, without_trace
from ganamis.model.embedding import embed_images
from ganamis.model.fingerprint import FingerprintModel
from ganamis.params import Params
from ganamis.registry.choice import choose_model
from ganamis.report.benchmark import FIRST, degradation_chart, markdown
from ganamis.stages.kept_rows import KeptRows, Row
from ganamis.stages.paths import settings_digest
from ganamis.tracking import runs

FEW = 15  # images of each generator in the scenario of that name
LARGEST, SMALLEST = 60, 9  # images of a generator where they are unequally many
BASELINES = ("kmeans_whitened", "hdbscan")  # beside the open world, in the same features
CONDITIONS = {"taught": (*TAUGHT, MIX), "untaught": tuple(UNTAUGHT)}
NOTHING, SOME = "nothing known", "development known"


@dataclass(frozen=True)
class _Folder:
    """A labelled folder and the back ends that are asked about it.

    cases: by the name that scores call them. All are in the basis of `model`.
    """

    images: LabelledImages
    model: FingerprintModel
    cases: Mapping[str, BackEnd]


def benchmark(
    folders: Sequence[Path],
    params: Params,
    *,
    out: Path,
    seeds: int,
    conditions: str,
    model: str | None,
) -> None:
    """Score a model on labelled folders; their labels only score.

    Each folder is asked about twice: with nothing of it known, its generators taken out of the
    model if they were in it; and, where it has a `development/`, with that learned. Killed, it
    goes on from the last condition when it is started again.

    Args:
        folders: in the ImageCLEF layout with labels, or one folder of images per generator.
        out: the Markdown file to write; a figure and a table of all scores are put beside it.
        seeds: how many, from `params.seed` on; they draw degradations and subsets.
        conditions: `taught`, `untaught` or `all`.
        model: as for `attribute`.

    Raises:
        UserError: a bad folder, one without labels, or an unknown choice of conditions.
    """
    try_output(out, folder=False)
    if conditions not in (*CONDITIONS, "all"):
        raise UserError(f"--conditions is '{conditions}'; expected taught, untaught or all")
    named = [
        name for kind, names in CONDITIONS.items() if conditions in (kind, "all") for name in names
    ]
    sets = [read_labelled(folder) for folder in folders]
    chosen = choose_model(model)
    asked = [_asked(images, chosen.model) for images in sets]
    with runs.stage_run(
        "benchmark",
        name=f"benchmark {', '.join(folder.name for folder in folders)}",
        params={
            "folders": ",".join(folder.name for folder in folders),
            "model": chosen.name,
            "conditions": conditions,
            "seeds": seeds,
            "seed": params.seed,
        },
        tags={},
    ):
        kept = KeptRows(out, _settings(asked, chosen.name))
        seeded = range(params.seed, params.seed + seeds)
        scores = pd.DataFrame(_scores(asked, named, seeded, kept))
        figure, table = out.with_suffix(".png"), out.with_suffix(".csv")
        with whole_file(table) as temporary:
            scores.to_csv(temporary, index=False, float_format="%.6f")
        degradation_chart(scores, figure)
        with whole_file(out) as temporary:
            temporary.write_text(
                markdown(scores, title=", ".join(f.name for f in folders), figure=figure.name),
                encoding="utf-8",
            )
        runs.log_benchmark(scores, [out, figure, table])
        kept.discard()
    print(out.read_text(encoding="utf-8"))


def _asked(images: LabelledImages, model: FingerprintModel) -> _Folder:
    present = sorted({*images.generators.tolist(), *images.taught_generators.tolist()})
    left_out = without_trace(model, [name for name in present if name in model.known])
    cases = {f"{images.name} - {NOTHING}": left_out.backend}
    if len(images.taught):
        wiser = taught(left_out, images.taught, images.taught_generators)
        cases[f"{images.name} - {SOME}"] = wiser.backend
    return _Folder(images, left_out, cases)


def _settings(folders: Sequence[_Folder], model: str) -> dict[str, str]:
    """What scores depend on: all pixels and labels, and what each model makes of an image."""
    seen = []
    for folder in folders:
        images = folder.images
        labels = np.concatenate([images.generators, images.taught_generators])
        first = embed_images(folder.model, images.images[:1])
        pixels = [pixel_digest(one) for one in (*images.images, *images.taught)]
        seen.append([pixels, labels.tolist(), first.features.tolist()])
    return {"model": model, "digest": settings_digest({"folders": seen})}


def _scores(
    folders: Sequence[_Folder], conditions: Sequence[str], seeds: Sequence[int], kept: KeptRows
) -> Iterator[Row]:
    parts = list(product(enumerate(folders), seeds, conditions))
    with Progress(console=Console(stderr=True, markup=False, soft_wrap=True)) as progress:
        bar = progress.add_task("Benchmark", total=len(parts))
        if len(kept):
            going_on = f"Going on from '{kept.path}', where {len(kept)} are done; remove it to "
            progress.console.print(f"{going_on}begin anew.")
        for (place, folder), seed, condition in parts:
            called = f"{folder.images.name}, {condition}, seed {seed}"
            part = f"{place}, {called}"  # folders may have one name
            progress.update(bar, description=escape(called))
            rows = kept.of(part)
            if rows is None:
                rows = list(_condition(folder, condition, seed=seed))
                kept.keep(part, rows)
                progress.console.print(f"{called}: {_in_words(rows, condition)}")
            yield from rows
            progress.advance(bar)


def _in_words(rows: Iterable[Row], condition: str) -> str:
    """The headline of one condition."""
    return "; ".join(
        f"{row['series'].removesuffix(FIRST)}{row['found']} of {row['generators']} found, "
        f"adjusted Rand index {row['ari']:.3f}"
        for row in rows
        if row["series"].endswith(FIRST) and row["condition"] == condition
    )


def _condition(folder: _Folder, condition: str, *, seed: int) -> Iterator[Row]:
    """Scores of all images of a folder under one condition; of subsets too, where it is clean."""
    degraded = degrade(folder.images.images, condition, seed=seed + 1)
    batch = embed_images(folder.model, degraded)
    truth = folder.images.generators
    row: Row = {"condition": condition, "seed": seed}
    for name, backend in folder.cases.items():
        for clusterer in (OPEN_WORLD, *BASELINES):
            yield from _both_modes(name, replace(backend, clusterer=clusterer), batch, truth, row)
        if condition == CLEAN:
            for subset, rows in _subsets(truth, seed=seed):
                part = {**row, "condition": subset}
                yield from _both_modes(name, backend, batch.rows(rows), truth[rows], part)


def _both_modes(
    name: str, backend: BackEnd, batch: Embedded, truth: np.ndarray, row: Row
) -> Iterator[Row]:
    """One row with the number found out and, where the clusterer takes it, one with it given."""
    generators = len(set(truth.tolist()))
    for mode, count in (("unknown", None), ("known", generators)):
        try:
            labels = backend.together(batch, clusters=count).labels
        except UserError:
            continue
        yield {
            "series": f"{name} - {backend.clusterer} - number {mode}",
            **row,
            "ari": float(adjusted_rand_score(truth, labels)),
            "found": len(set(labels.tolist()) - {UNASSIGNED}),
            "generators": generators,
        }


def _subsets(truth: np.ndarray, *, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Few images of each generator, unequally many, and each generator alone."""
    random = np.random.default_rng(seed)
    names = random.permutation(np.unique(truth))
    rows = [random.permutation(np.flatnonzero(truth == name)) for name in names]
    yield f"{FEW} images each", np.concatenate([chosen[:FEW] for chosen in rows])
    sizes = np.geomspace(LARGEST, SMALLEST, len(rows)).round().astype(int)
    unequal = [chosen[:size] for chosen, size in zip(rows, sizes, strict=True)]
    yield f"{LARGEST} to {SMALLEST} images", np.concatenate(unequal)
    for name, chosen in zip(names, rows, strict=True):
        yield f"only {name}", chosen
