"""The page of `attribute --report`: looks at a few images again, once their clusters are known."""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from ganamis.contracts import UNASSIGNED
from ganamis.data.folder import ImageFolder
from ganamis.data.names import shown
from ganamis.data.reading import size_name
from ganamis.extractors.power_spectra import BINS, less_directions, less_mean, log_power_spectra
from ganamis.files import whole_file
from ganamis.model.answer import Attribution
from ganamis.report import figures, folder_wording, pictures, wording
from ganamis.report.folder_page import FolderReport, render
from ganamis.report.parts import Group, Picture
from ganamis.stages.answering import Answered

EXAMPLES = 6  # images of each cluster
DOUBTS = 12  # images that fit their cluster least
SPECTRA = 200  # images of each cluster in its mean spectrum
MAPPED = 4000  # images in the map
KNOWN = 15  # generators whose fingerprints are shown
SKIPPED = 100  # files that are listed
SURE = 0.99
OWN = "log power, less its\nmean over directions"


@dataclass(frozen=True, eq=False)
class _Seen:
    """Mean log power spectrum of each cluster, by title, and small pictures by path."""

    spectra: dict[str, np.ndarray]
    small: dict[str, Picture]


def folder_page(answered: Answered) -> str:
    """One HTML file that needs nothing else."""
    return render(_report(answered))


def write_folder_report(path: Path, answered: Answered) -> None:
    """Write the page."""
    page = folder_page(answered)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _report(answered: Answered) -> FolderReport:
    opened, found = answered.opened, answered.found
    rows = _rows(answered)
    members = {label: rows[rows["label"] == label] for label in sorted(set(rows["label"]))}
    if UNASSIGNED in members:
        members[UNASSIGNED] = members.pop(UNASSIGNED)  # last
    examples = {label: part["path"].iloc[:EXAMPLES].tolist() for label, part in members.items()}
    doubts = rows.sort_values(["membership", "id"]).iloc[:DOUBTS] if found.count > 1 else rows[:0]
    drawn = {label: set(part["path"].iloc[:SPECTRA]) for label, part in members.items()}
    looked = _look_again(opened, drawn, {*doubts["path"], *sum(examples.values(), [])})
    files = Counter(found.labels.tolist())
    groups = tuple(
        _group(label, files[label], found, examples[label], looked.small) for label in members
    )
    skipped = [(entry.path, entry.reason) for entry in opened.skipped]
    return FolderReport(
        folder=shown(opened.root.resolve().name),
        version=version("ganamis"),
        model=answered.called,
        known=answered.model.known,
        learned=len(opened.taught),
        images=len(answered.paths),
        different=len(rows),
        size=size_name(opened.size),
        given=answered.given,
        confidence=found.confidence,
        groups=groups,
        conditions=folder_wording.processing(found.conditions),
        figures=tuple(_figures(answered, rows, groups, looked)),
        doubts=tuple(_doubts(found, doubts, looked.small)),
        surest_doubt=bool((doubts["membership"] > SURE).all()),
        skipped=tuple(skipped[:SKIPPED]),
        skips=len(skipped),
        coloured=len(set(opened.coloured)),
        window=opened.window,
        missing=folder_wording.missing(
            groups,
            given=answered.given,
            confidence=found.confidence,
            sampled=SPECTRA if max(map(len, members.values())) > SPECTRA else None,
            spectra=set(answered.model.known) <= set(answered.model.spectra),
            processing=bool(found.conditions),
        ),
    )


def _rows(answered: Answered) -> pd.DataFrame:
    """Different images, by id, which is a digest: the first are as good as drawn at random.

    Columns `id`, `path`, `label`, `membership` and `row`, the place in the answer.
    """
    found = answered.found
    table = pd.DataFrame({"id": found.ids, "path": list(answered.paths), "label": found.labels})
    table = table.assign(membership=found.membership, row=np.arange(len(table)))
    return table.sort_values(["id", "path"]).drop_duplicates("id").reset_index(drop=True)


def _title(label: int) -> str:
    return f"cluster {label}" if label != UNASSIGNED else "unassigned"


def _look_again(opened: ImageFolder, drawn: dict[int, set[str]], small: set[str]) -> _Seen:
    """Decode the images of the spectra, and those to be shown, once more.

    Args:
        drawn: label to the paths that go into its mean spectrum. small: paths to be shown.
    """
    label_of = {path: label for label, paths in drawn.items() for path in paths}
    items = [item for item in opened.asked if item.path in label_of or item.path in small]
    sums = {label: np.zeros((BINS, BINS)) for label in drawn}
    counts = Counter[int]()
    found: dict[str, Picture] = {}
    for batch in opened.stream(items):
        for path, pixels in zip(batch.paths, batch.images, strict=True):
            if path in small:
                found[path] = pictures.example(pixels, alt="", caption="")
            if path in label_of:
                sums[label_of[path]] += log_power_spectra(pixels[None])[0]
                counts[label_of[path]] += 1
    means = {_title(label): sums[label] / counts[label] for label in drawn if counts[label]}
    return _Seen(means, found)


def _group(
    label: int, files: int, found: Attribution, examples: list[str], small: dict[str, Picture]
) -> Group:
    title = _title(label)
    cluster = found.clusters[label] if label != UNASSIGNED else None
    return Group(
        title=title,
        name=cluster.name if cluster else "",
        known=bool(cluster and cluster.known),
        images=files,
        makers=(),
        examples=tuple(
            replace(small[path], alt=f"Example {place} of {title}: {path}", caption=path)
            for place, path in enumerate(examples, start=1)
            if path in small  # else it has changed since it was attributed
        ),
        score=cluster.score if cluster else None,
    )


def _doubts(found: Attribution, rows: pd.DataFrame, small: dict[str, Picture]) -> list[Picture]:
    """The images that fit least, each with its cluster and the next one."""
    if rows.empty:
        return []
    posteriors = found.rule.shapes.posteriors(found.points[rows["row"].to_numpy()])
    told = []
    for row, shares in zip(rows.itertuples(), posteriors, strict=True):
        if row.path not in small:
            continue
        others = np.where(np.arange(found.count) == row.label, -1.0, shares)
        other = int(others.argmax())
        share = float(row.membership)
        text = folder_wording.doubt(_title(row.label), share, _title(other), float(others[other]))
        picture = small[row.path]
        told.append(replace(picture, alt=f"{row.path}: {text}", caption=f"{row.path}: {text}"))
    return told


def _drawn(draw: Callable[[Path], None], *, title: str, alt: str, caption: str) -> Picture:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.png"
        draw(path)
        return pictures.from_file(path, title=title, alt=alt, caption=caption)


def _figures(
    answered: Answered, rows: pd.DataFrame, groups: tuple[Group, ...], looked: _Seen
) -> list[Picture]:
    found = answered.found
    named = {group.title: f"{group.title}: {group.name}" for group in groups if group.name}
    of_clusters = {named[title]: s for title, s in looked.spectra.items() if title in named}
    drawn = _fingerprints(of_clusters, _of_known(answered))
    if len(rows) > 1 and found.points.shape[1] > 1:
        some = rows.iloc[:MAPPED]
        titles = np.array([named.get(_title(label), "unassigned") for label in some["label"]])
        points = found.points[some["row"].to_numpy()]
        drawn.append(
            _drawn(
                lambda path: figures.embedding_map(points, {"clusters": titles}, path),
                title="Map of the images",
                alt=folder_wording.embedding_map(groups, drawn=len(some)),
                caption="Each mark is an image, placed by the two directions along which the "
                "fingerprints differ most. Groups that overlap here may be apart in others.",
            )
        )
    if found.count > 1:
        names = [named.get(_title(label), _title(label)) for label in range(found.count)]
        drawn.append(
            _drawn(
                lambda path: figures.dendrogram_chart(found.linkage, names, path),
                title="Lineage of the clusters",
                alt=wording.dendrogram(found.linkage, names),
                caption="Clusters that join early leave similar fingerprints.",
            )
        )
    return drawn


def _of_known(answered: Answered) -> dict[str, np.ndarray]:
    """Spectra of known generators, those found in the folder first."""
    spectra = answered.model.spectra
    seen = {cluster.name for cluster in answered.found.clusters if cluster.known}
    ordered = sorted(spectra, key=lambda name: (name not in seen, name))
    return {name: spectra[name] for name in ordered[:KNOWN]}


def _fingerprints(clusters: dict[str, np.ndarray], known: dict[str, np.ndarray]) -> list[Picture]:
    """Clusters among themselves, known generators among themselves, and both side by side."""
    drawn = []
    if len(clusters) > 1:
        drawn.append(
            _drawn(
                lambda path: figures.spectra(less_mean(clusters), path),
                title="Fingerprint of each cluster",
                alt=wording.spectra(list(clusters), "cluster"),
                caption="What sets the fine detail of each cluster apart: its mean log power "
                "spectrum, less the mean of the clusters. Zero frequency is in the centre.",
            )
        )
    if len(known) > 1:
        drawn.append(
            _drawn(
                lambda path: figures.spectra(less_mean(known), path),
                title="Fingerprints that the model knows",
                alt=wording.spectra(list(known), "known generator"),
                caption="The same for images that taught the model, less their own mean.",
            )
        )
    both = clusters | {f"known: {name}": spectrum for name, spectrum in known.items()}
    if both:
        drawn.append(
            _drawn(
                lambda path: figures.spectra(less_directions(both), path, unit=OWN),
                title="Side by side",
                alt=wording.own_spectra(list(both)),
                caption="Each spectrum against itself, less its mean over all directions: points "
                "and lines are what an upsampler repeats. Fans through the centre come from "
                "what the images show. Alike patterns hint at one generator; they prove nothing.",
            )
        )
    return drawn
