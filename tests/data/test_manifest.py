"""A good folder gives exactly this manifest, whatever its files are called and how encoded."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ganamis.contracts import MANIFEST_COLUMNS, Manifest
from ganamis.data.images import pixel_digest
from ganamis.data.manifest import CheckedFolder, check_folder
from tests.builders import SIZE, build_folder, encode, noise, palette_image, snapshot, write


def check(root: Path, *, near_duplicate: float = 0.0) -> CheckedFolder:
    return check_folder(root, size=SIZE, near_duplicate=near_duplicate)


def test_good_folder_gives_the_exact_manifest(folder: Path) -> None:
    expected = [
        (pixel_digest(noise(seed)), path, 32, 32, "L", path.split("/")[0], generator)
        for seed, path, generator in [
            (0, "development/gan0/d0.png", "gan0"),
            (1, "development/gan0/d1.png", "gan0"),
            (1000, "development/gan1/d0.png", "gan1"),
            (1001, "development/gan1/d1.png", "gan1"),
            (100_000, "test/t00.png", None),
            (100_001, "test/t01.png", None),
            (101_000, "test/t10.png", None),
            (101_001, "test/t11.png", None),
        ]
    ]
    rows = check(folder).manifest.rows
    pd.testing.assert_frame_equal(rows, pd.DataFrame(expected, columns=list(MANIFEST_COLUMNS)))


def test_labels_are_joined_to_ids(folder: Path) -> None:
    checked = check(folder)
    assert checked.labels is not None
    tests = checked.manifest.split("test")
    joined = checked.labels.merge(tests, on=["id", "path"], validate="one_to_one")
    assert joined["generator_x"].tolist() == [f"gan{path[6]}" for path in joined["path"]]
    assert len(joined) == 4


def test_without_labels_there_is_no_label_table(folder: Path) -> None:
    (folder / "test_labels.csv").unlink()
    checked = check(folder)
    assert checked.labels is None
    assert set(checked.content["generator"]) == {"gan0", "gan1", "unlabelled"}


@pytest.mark.parametrize(
    "content",
    [
        encode(noise(0), compress_level=0),
        encode(palette_image(noise(0), seed=3)),
        encode(Image.fromarray(noise(0)).convert("RGB")),
    ],
    ids=["compression", "palette", "RGB"],
)
def test_identity_is_of_the_pixels_alone(folder: Path, content: bytes) -> None:
    before = check(folder).manifest.rows
    (folder / "development" / "gan0" / "d0.png").unlink()
    write(folder / "development" / "gan0" / "renamed.png", content)
    after = check(folder).manifest.rows
    assert set(after["id"]) == set(before["id"])
    renamed = after.loc[after["path"] == "development/gan0/renamed.png", "id"].item()
    assert renamed == pixel_digest(noise(0))


def test_checking_changes_nothing(folder: Path) -> None:
    before = snapshot(folder)
    check(folder, near_duplicate=5.0)
    assert snapshot(folder) == before


def test_same_image_twice_in_one_generator_is_kept_under_one_id(folder: Path) -> None:
    write(folder / "development" / "gan0" / "again.png", noise(0))
    rows = check(folder).manifest.split("development")
    assert len(rows) == 5
    assert rows["id"].nunique() == 4


def test_near_duplicates_are_pairs_within_the_limit(folder: Path) -> None:
    dark, light = np.full((32, 32), 100, np.uint8), np.full((32, 32), 103, np.uint8)
    write(folder / "development" / "gan0" / "dark.png", dark)
    write(folder / "development" / "gan1" / "light.png", light)
    close = check(folder, near_duplicate=3.0).near_duplicates
    assert close.to_numpy().tolist() == [
        ["development/gan0/dark.png", "development/gan1/light.png", 3.0]
    ]
    assert len(check(folder, near_duplicate=2.9).near_duplicates) == 0


def test_content_statistics_are_counted_per_split_and_generator(tmp_path: Path) -> None:
    root = build_folder(tmp_path, images=3)
    content = check(root).content
    assert content["images"].tolist() == [3, 3, 3, 3]
    first = content.iloc[0]
    assert (first["split"], first["generator"]) == ("development", "gan0")
    means = [noise(seed).mean() for seed in range(3)]
    assert first["mean_mean"] == round(float(np.mean(means)), 2)
    assert first["mean_std"] == round(float(np.std(means, ddof=1)), 2)


def test_manifest_survives_saving(folder: Path, tmp_path: Path) -> None:
    (folder / "development" / "gan0").rename(folder / "development" / "NA")
    manifest = check(folder).manifest
    manifest.save(tmp_path / "manifest.csv")
    loaded = Manifest.load(tmp_path / "manifest.csv")
    assert loaded.rows["generator"].notna().tolist() == [True] * 4 + [False] * 4
    assert loaded.rows["generator"][0] == "NA"
    pd.testing.assert_frame_equal(loaded.rows, manifest.rows, check_dtype=False)
