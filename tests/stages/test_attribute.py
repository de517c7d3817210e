"""What `attribute` prints, and what it refuses before any work."""

from pathlib import Path

import pandas as pd
import pytest

from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.stages.attribute import attribute, print_clusters


def test_names_are_printed_whole(capsys: pytest.CaptureFixture) -> None:
    rows = [[0, "[red]gan[v2]", 3, 0.9], [1, "[/bold]", 2, 0.8], [-1, "unassigned", 1, 0.1]]
    print_clusters(
        pd.DataFrame(rows, columns=["cluster", "generator", "images", "score"]), "[o].csv"
    )
    said = capsys.readouterr().out
    assert "[red]gan[v2]" in said and "[/bold]" in said and "[o].csv" in said


def test_outputs_are_tried_before_the_folder_is_read(tmp_path: Path) -> None:
    """The folder of images does not even exist."""
    good, bad = tmp_path / "x.csv", tmp_path
    folder, twice = "is a folder; name a file in it", "named twice"
    for out, submission, matching in (
        (bad, None, folder),
        (good, bad, folder),
        (good, good, twice),
        (tmp_path / "images", None, twice),
    ):
        with pytest.raises(UserError, match=matching):
            attribute(
                tmp_path / "images",
                out=out,
                clusters="auto",
                model=None,
                submission=submission,
                report=None,
                reading=Reading(),
            )
