"""Pixels arrive in the order of the rows, and are those that the manifest names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganamis.data.batches import load_images, stream_images
from ganamis.data.manifest import check_folder
from ganamis.errors import UserError
from tests.builders import SIZE, noise, write


@pytest.fixture
def rows(folder: Path) -> pd.DataFrame:
    return check_folder(folder, size=SIZE, near_duplicate=0.0).manifest.rows


@pytest.mark.parametrize("batch", [1, 3, 8, 100])
def test_stream_is_in_the_order_of_the_rows(folder: Path, rows: pd.DataFrame, batch: int) -> None:
    shuffled = rows.sample(frac=1, random_state=4)
    parts = list(stream_images(folder, shuffled, batch=batch))
    assert [len(part) for part in parts[:-1]] == [batch] * (len(parts) - 1)
    images = np.concatenate(parts)
    assert images.dtype == np.uint8
    in_order = load_images(folder, rows)
    np.testing.assert_array_equal(images, in_order[shuffled.index.to_numpy()])
    np.testing.assert_array_equal(in_order[0], noise(0))


def test_changed_files_are_all_named(folder: Path, rows: pd.DataFrame) -> None:
    write(folder / "development" / "gan0" / "d0.png", noise(55))
    write(folder / "test" / "t00.png", b"")
    (folder / "test" / "t11.png").unlink()
    with pytest.raises(UserError) as refused:
        load_images(folder, rows)
    assert str(refused.value).splitlines() == [
        "images differ from the manifest; run `ganamis ingest` again:",
        "  development/gan0/d0.png: has other pixels",
        "  test/t00.png: is empty; copy the file again",
        "  test/t11.png: cannot be read (No such file or directory); check the file's rights",
    ]
