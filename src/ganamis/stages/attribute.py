"""`attribute`: a folder in, one line per image out; no labels, no tracking server needed."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ganamis.contracts import UNASSIGNED
from ganamis.data.folder import ImageFolder
from ganamis.data.listing import open_folder
from ganamis.data.names import submission_ids
from ganamis.data.reading import Reading
from ganamis.files import keep_apart, try_output, whole_file
from ganamis.model.answer import Attribution
from ganamis.registry.choice import choose_model
from ganamis.stages.answering import answer, answer_table, parse_clusters

if TYPE_CHECKING:
    import pandas as pd

SHOWN_CONDITION = 0.05  # least share of a kind of processing that is mentioned


def attribute(
    folder: Path,
    *,
    out: Path,
    clusters: str,
    model: str | None,
    submission: Path | None,
    report: Path | None,
    reading: Reading,
) -> None:
    """Attribute the images of a folder together, and write `image,cluster,generator,known,score`.

    Images in `development/<generator>/` teach the model their generators first; then those in
    `test/`, or all others, are attributed.

    Args:
        clusters: how many generators, or `auto` to find out.
        model: URI of a registered model or folder of a stored one; None for the champion at hand,
            else the shipped one.
        submission: where to write the challenge's form, `image,cluster` without a header and
            clusters counted from 1; None to leave it.
        report: where to write a page to be looked at; None to leave it.
        reading: what the owner of the folder says of it.

    Raises:
        UserError: a bad folder (all offenders listed), number, or model.
    """
    count = parse_clusters(clusters)
    for path in (out, submission, report):
        if path is not None:
            try_output(path, folder=False)
    keep_apart([out, submission, report], source=folder)
    opened = open_folder(folder, reading=reading)
    chosen = choose_model(model)
    console = Console(markup=False)
    console.print(f"Answering with {chosen.name}.")
    answered = answer(opened, chosen, clusters=count, show=track)
    _tell_taught(opened, console)
    found, table = answered.found, answer_table(answered)
    with whole_file(out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")
    if submission is not None:
        _write_submission(table, submission)
    for note in opened.notes():
        console.print(note)
    _print(table, found, out, console)
    if report is not None:
        # Matplotlib is imported only where a page is asked for.
        from ganamis.stages.folder_report import write_folder_report

        write_folder_report(report, answered)
        console.print(f"Report: '{report}'; it opens in any browser, without a server.")


def _tell_taught(opened: ImageFolder, console: Console) -> None:
    names = sorted({item.generator for item in opened.taught if item.generator is not None})
    if names:
        console.print(
            f"It learned {len(names)} generators from {len(opened.taught)} images of this folder: "
            f"{', '.join(names)}."
        )


def _write_submission(table: "pd.DataFrame", path: Path) -> None:
    order = {cluster: place for place, cluster in enumerate(np.unique(table["cluster"]), start=1)}
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        ids = submission_ids(table["image"].tolist())
        writer.writerows(zip(ids, table["cluster"].map(order), strict=True))


def _print(table: "pd.DataFrame", found: Attribution, out: Path, console: Console) -> None:
    print_findings(found, console)
    counts = table.groupby(["cluster", "generator"]).agg(
        images=("image", "size"), score=("score", "mean")
    )
    print_clusters(counts.reset_index(), out)


def print_findings(found: Attribution, console: Console) -> None:
    """Print what holds for all images together."""
    if found.conditions:
        kinds = [item for item in found.conditions.items() if item[1] >= SHOWN_CONDITION]
        text = ", ".join(f"{name} {share:.0%}" for name, share in kinds)
        console.print(f"Processing the images resemble: {text}")
    if found.confidence is not None:
        console.print(
            f"Probability that this number of generators is right: {found.confidence:.0%}"
        )


def print_clusters(counts: "pd.DataFrame", out: object) -> None:
    """Print columns `cluster`, `generator`, `images` and `score` (a mean) as a table."""
    assigned = counts[counts["cluster"] != UNASSIGNED]
    title = f"{_count(len(assigned), 'generator')} made {_count(assigned['images'].sum(), 'image')}"
    stray = counts["images"].sum() - assigned["images"].sum()
    shown = Table(title=title + (f"; {stray} fit none of them" if stray else ""))
    for heading in ("cluster", "generator", "images", "mean score"):
        shown.add_column(heading)
    for cluster, generator, images, score in counts.itertuples(index=False):
        shown.add_row(str(cluster), str(generator), str(images), f"{score:.2f}")
    Console(markup=False).print(shown)
    Console(markup=False).print(f"Written to '{out}'.")


def _count(value: int, noun: str) -> str:
    return f"{value} {noun}" if value == 1 else f"{value} {noun}s"
