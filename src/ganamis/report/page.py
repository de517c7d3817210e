"""The report page: what one run of the pipeline found, as one HTML file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ganamis.contracts import Version
from ganamis.report.networks import Trained
from ganamis.report.parts import Group, Picture, templates

CLUSTERERS = {
    "kmeans": "k-means",
    "kmeans_whitened": "k-means, whitened",
    "agglomerative": "agglomerative",
    "gaussian_mixture": "Gaussian mixture",
    "hdbscan": "HDBSCAN",
    "open_world": "open world",
}


@dataclass(frozen=True)
class Step:
    """One stage in the lineage: what it wrote, by which run, from which code; None if unknown.

    outputs: paths and their md5 as DVC recorded them.
    """

    stage: str
    outputs: tuple[tuple[str, str], ...]
    run_id: str | None
    commit: str | None
    dirty: bool
    started: str | None
    seconds: float | None


@dataclass(frozen=True)
class Benchmark:
    """ARI under degradations: column headings, rows of a condition and its cells, and a chart."""

    file: str
    md5: str
    seeds: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    chart: Picture


@dataclass(frozen=True)
class Report:
    """Everything the page says.

    data: what `ingest` found. selection: what `select` chose. scores: one row per extractor,
    clusterer and mode; no rows without test labels. trained: architecture by recipe. search_chart:
    None where no network was searched. gate: the gate's decision, key by key; version: the
    registered model's. versions: all that the registry held, the oldest first; trend: their chart,
    None where there is one score at most. benchmark: None where there was none. missing: what
    was not measured.
    """

    run_id: str
    seed: int
    profile: str
    data: Mapping[str, Any]
    data_root: str
    selection: Mapping[str, Any]
    scores: pd.DataFrame
    trained: tuple[Trained, ...]
    search_chart: Picture | None
    groups: tuple[Group, ...]
    ari_chart: Picture | None
    figures: tuple[Picture, ...]
    benchmark: Benchmark | None
    version: Mapping[str, Any]
    versions: tuple[Version, ...]
    trend: Picture | None
    gate: Mapping[str, Any]
    steps: tuple[Step, ...]
    permutations: int
    missing: tuple[str, ...]

    @property
    def clusters(self) -> tuple[Group, ...]:
        """The clusters, without the images left unassigned."""
        return tuple(group for group in self.groups if group.name)

    @property
    def headline(self) -> dict[str, Any] | None:
        """The scores of the chosen extractor and clusterer, the number of generators unknown."""
        if self.scores.empty:
            return None
        chosen = self.scores[
            (self.scores["architecture"] == self.selection["architecture"])
            & (self.scores["clusterer"] == self.selection["clusterer"])
            & (self.scores["mode"] == "unknown")
        ]
        return dict(chosen.iloc[0])


def render(report: Report) -> str:
    """The page. Every value from outside is escaped."""
    environment = templates()
    environment.filters["clusterer"] = lambda name: CLUSTERERS.get(name, name)
    cells = {
        (row["architecture"], row["clusterer"], row["mode"]): row
        for row in report.scores.to_dict("records")
    }
    # What was chosen comes first, where narrow screens show it too; the baseline stays last.
    chosen = report.selection["architecture"], report.selection["clusterer"]
    clusterers = sorted({c: None for _, c, _ in cells}, key=lambda name: name != chosen[1])
    columns = [
        (name, mode)
        for name in clusterers
        for mode in ("unknown", "known")
        if any(key[1:] == (name, mode) for key in cells)
    ]
    extractors = sorted({e: None for e, _, _ in cells}, key=lambda name: name != chosen[0])
    return environment.get_template("page.html.j2").render(
        report=report,
        columns=columns,
        cells=cells,
        extractors=extractors,
    )
