"""`tidy`: say what old versions and finished searches hold, and remove it if asked."""

import shutil
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from ganamis.extractors.search import JOURNAL
from ganamis.registry import tidying
from ganamis.registry.turns import alone
from ganamis.stages.paths import TRAIN, WORK
from ganamis.tracking import runs
from ganamis.tracking.failures import store_errors


def tidy(*, remove: bool) -> None:
    """List what no alias and no unfinished work needs; free it where `remove` says so.

    A version that is challenger, champion or previous stays, and so do runs with their scores.
    """
    experiment = runs.connect()
    with store_errors(), alone():
        old = tidying.leftovers(experiment)
        searches = _finished_searches()
        sizes = [each.size for each in old] + [_size(folder) for folder in searches]
        if remove:
            for leftover in old:
                tidying.remove(leftover)
            for folder in searches:
                shutil.rmtree(folder)
    names = [_title(each) for each in old] + [f"search in '{folder}'" for folder in searches]
    _print(names, sizes, removed=remove)


def _title(leftover: tidying.Leftover) -> str:
    if leftover.version is None:
        return f"model {leftover.model_id}, never registered"
    return f"version {leftover.version}"


def _finished_searches() -> list[Path]:
    """Where searches whose extractor has been trained since left their trials."""
    finished = []
    for journal in sorted((WORK / "train").glob(f"*/{JOURNAL}")):
        summary = TRAIN / journal.parent.name / "summary.json"
        if summary.exists() and summary.stat().st_mtime >= journal.stat().st_mtime:
            finished.append(journal.parent)
    return finished


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _print(names: list[str], sizes: list[int], *, removed: bool) -> None:
    console = Console(markup=False, highlight=False)
    if not names:
        console.print("Nothing to remove: every version has an alias, and no search is left over.")
        return
    table = Table("what", "frees")
    for name, size in zip(names, sizes, strict=True):
        table.add_row(name, decimal(size))
    console.print(table)
    total = decimal(sum(sizes))
    if removed:
        console.print(f"Removed; this freed {total}.")
    else:
        console.print(f"Nothing was removed. `ganamis tidy --remove` would free {total}.")
