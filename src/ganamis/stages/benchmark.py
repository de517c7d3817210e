"""`benchmark`: extractors x clusterers x degradations x seeds on one labelled data set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from rich.progress import Progress
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import CLUSTERERS, DENSITY, OPEN_WORLD, RAW, partition
from ganamis.contracts import (
    DEVELOPMENT,
    TEST,
    UNASSIGNED,
    Embedded,
    Extractor,
)
from ganamis.data.batches import load_images
from ganamis.data.content import CONTENT, ContentBaseline, content_descriptors
from ganamis.data.degradations import CLEAN, NAMES, degrade
from ganamis.data.manifest import CheckedFolder, check_folder
from ganamis.errors import UserError
from ganamis.extractors.candidates import candidate
from ganamis.files import try_output, whole_file
from ganamis.model.backend import BackEnd
from ganamis.model.catalogue import refer
from ganamis.params import Params
from ganamis.report.benchmark import degradation_chart, markdown
from ganamis.tracking import runs

FEW = 15  # images of each generator in the scenario of that name


@dataclass(frozen=True)
class _Batch:
    """Test images under one condition.

    row: what the batch is, first in each row of scores. images: embedded. raw: `[N, V * D]`, as
    the extractor gives them. truth: `[N]` str, generators.
    """

    row: dict[str, object]
    images: Embedded
    raw: np.ndarray
    truth: np.ndarray

    def scores(
        self, backend: BackEnd, clusterers: Iterable[str], *, seed: int
    ) -> Iterator[dict[str, object]]:
        """One row per clusterer, with the number of generators known and unknown."""
        generators = len(set(self.truth.tolist()))
        for clusterer in clusterers:
            for mode, count in (("known", generators), ("unknown", None)):
                if clusterer == DENSITY and count is not None:
                    continue
                labels = self._labels(replace(backend, clusterer=clusterer), count, seed=seed)
                yield {
                    **self.row,
                    "clusterer": clusterer,
                    "mode": mode,
                    "ari": adjusted_rand_score(self.truth, labels),
                    "found": len(set(labels.tolist()) - {UNASSIGNED}),
                    "generators": generators,
                }

    def _labels(self, backend: BackEnd, count: int | None, *, seed: int) -> np.ndarray:
        if backend.clusterer != RAW:
            return backend.together(self.images, clusters=count).labels
        raw = replace(self.images, features=self.raw)
        space, settings = backend.space(self.images), backend.settings
        return partition(RAW, raw, space, count=count, settings=settings, seed=seed).labels

    def scenarios(self, *, seed: int) -> Iterator["_Batch"]:
        """Few images of each generator; and each generator alone, whose number is one."""
        random = np.random.default_rng(seed)
        names = np.unique(self.truth)
        rows = [random.permutation(np.flatnonzero(self.truth == name)) for name in names]
        few = np.concatenate([chosen[:FEW] for chosen in rows])
        alone = {f"only {name}": chosen for name, chosen in zip(names, rows, strict=True)}
        for condition, chosen in {f"{FEW} images each": few, **alone}.items():
            yield replace(
                self,
                row={**self.row, "condition": condition},
                images=self.images.rows(chosen),
                raw=self.raw[chosen],
                truth=self.truth[chosen],
            )


def benchmark(
    folder: Path, params: Params, *, out: Path, seeds: int, extractors: Sequence[str]
) -> None:
    """Score extractors with every clusterer on `folder`, clean and degraded.

    Everything is fitted on `folder/development`; the labels of `folder/test` only score.

    Args:
        out: the Markdown file to write; a figure and a table of all scores are put beside it.
        seeds: how many, from `params.seed` on; they draw degradations and subsets, and what
            training draws.
        extractors: names; thumbnails are scored beside them.

    Raises:
        UserError: a bad folder, one without test labels, or an unknown extractor.
    """
    try_output(out, folder=False)
    for name in extractors:
        candidate(name, params)
    checked = check_folder(folder, size=params.data.size, near_duplicate=params.data.near_duplicate)
    if checked.labels is None:
        raise UserError(f"'{folder}' has no test_labels.csv; a benchmark needs labels to score")
    with runs.stage_run(
        "benchmark",
        name=f"benchmark {folder.name}",
        params={
            "folder": folder.name,
            "extractors": ",".join(extractors),
            "seeds": seeds,
            "seed": params.seed,
        },
        tags={"profile": params.profile},
    ):
        scores = pd.DataFrame(_scores(folder, checked, params, extractors=extractors, seeds=seeds))
        figure, table = out.with_suffix(".png"), out.with_suffix(".csv")
        with whole_file(table) as temporary:
            scores.to_csv(temporary, index=False, float_format="%.6f")
        degradation_chart(scores, figure)
        with whole_file(out) as temporary:
            temporary.write_text(
                markdown(scores, title=folder.name, figure=figure.name), encoding="utf-8"
            )
        runs.log_benchmark(scores, [out, figure, table])
    print(out.read_text(encoding="utf-8"))


def _scores(
    folder: Path,
    checked: CheckedFolder,
    params: Params,
    *,
    extractors: Sequence[str],
    seeds: int,
) -> Iterator[dict[str, object]]:
    development = checked.manifest.split(DEVELOPMENT).drop_duplicates("id")
    test = checked.manifest.split(TEST).drop_duplicates("id")
    assert checked.labels is not None
    truth = checked.labels.drop_duplicates("id").set_index("id").loc[test["id"], "generator"]
    known, images = load_images(folder, development), load_images(folder, test)
    cases = list(product((*extractors, CONTENT), range(params.seed, params.seed + seeds)))
    with Progress() as progress:
        bar = progress.add_task("Benchmark", total=len(cases) * len(NAMES))
        for name, seed in cases:
            progress.update(bar, description=f"{name}, seed {seed}")
            seeded = params.model_copy(update={"seed": seed})
            extractor = _fitted(name, known, development["generator"], seeded)
            backend = _backend(extractor, known, development, params, seed=seed)
            for condition in NAMES:
                degraded = degrade(images, condition, seed=seed + 1)
                raw, ids = extractor.embed(degraded), test["id"].to_numpy(dtype=str)
                content = content_descriptors(degraded)
                batch = _Batch(
                    row={"extractor": name, "condition": condition, "seed": seed},
                    images=backend.reduce(raw, ids, content, views=extractor.views),
                    raw=raw,
                    truth=truth.to_numpy(dtype=str),
                )
                yield from batch.scores(backend, CLUSTERERS, seed=seed)
                if condition == CLEAN and name != CONTENT:
                    for scenario in batch.scenarios(seed=seed):
                        yield from scenario.scores(backend, (OPEN_WORLD,), seed=seed)
                progress.advance(bar)


def _fitted(name: str, images: np.ndarray, generators: pd.Series, params: Params) -> Extractor:
    """The extractor with the numbers that its search tries first, fitted on development images."""
    if name == CONTENT:
        return ContentBaseline()
    chosen = candidate(name, params)
    _, labels = np.unique(generators.to_numpy(dtype=str), return_inverse=True)
    with TemporaryDirectory() as folder:
        return chosen.fit_final(images, labels, chosen.first, folder=Path(folder))


def _backend(
    extractor: Extractor, images: np.ndarray, rows: pd.DataFrame, params: Params, *, seed: int
) -> BackEnd:
    names = rows["generator"].to_numpy(dtype=str)
    conditions = params.active.degradations
    reference = refer(extractor, images, names, conditions=conditions, seed=seed)
    return BackEnd.fit(reference, settings=params.model, seed=seed).named()
