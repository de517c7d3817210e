"""Files of a hospital get the answer of the PNGs of their pixels; nothing is said of whom."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from ganamis.data.window import parse_window
from tests.builders import write
from tests.data.medical import IDENTIFIER, SECRET, dicom_bytes, nifti_bytes

LUNG = parse_window("lung")


def volume() -> np.ndarray:
    """Twelve slices `[12, 80, 80]` int16, Hounsfield units, of two filters over noise."""
    random = np.random.default_rng(0)
    slices = []
    for number in range(12):
        noise = gaussian_filter(random.normal(0, 1, (80, 80)), 0.5 + number % 2)
        slices.append(-600 + 300 * noise / noise.std())
    return np.stack(slices).astype(np.int16)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same slices as PNG, as ZIP, as DICOM and as one NIfTI volume."""
    root = tmp_path_factory.mktemp("formats")
    slices = volume()
    for number, values in enumerate(slices):
        write(root / "png" / f"{number:02}", LUNG.apply(values))
        write(root / "dicom" / f"{number:02}", dicom_bytes(values))
    write(root / "nifti" / "v.nii.gz", nifti_bytes(slices.transpose(2, 1, 0)))
    with zipfile.ZipFile(root / "zip", "w") as target:
        for path in sorted((root / "png").iterdir()):
            target.write(path, f"images/{path.name}")
    return root


def answer(folders: Path, name: str, *options: str) -> tuple[pd.DataFrame, str]:
    """What `ganamis attribute` writes of a folder, and all that it says."""
    out = folders / f"{name}.csv"
    command = [sys.executable, "-W", "always", "-m", "ganamis", "attribute", str(folders / name)]
    done = subprocess.run(
        [*command, "--out", str(out), *options],
        cwd=folders,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return pd.read_csv(out), done.stdout + done.stderr


def test_every_format_gives_the_answer_of_the_png(folders: Path) -> None:
    expected, _ = answer(folders, "png")
    assert len(expected) == 12
    for name, options in {
        "zip": (),
        "dicom": ("--window", "lung"),
        "nifti": ("--window", "lung", "--axis", "k"),
    }.items():
        table, said = answer(folders, name, *options)
        pd.testing.assert_frame_equal(
            table.drop(columns="image"), expected.drop(columns="image"), obj=name
        )
        if options:
            assert "12 images of more than 8 bits were read through the window lung" in said
        for text in (said, table.to_csv()):
            assert SECRET not in text and IDENTIFIER not in text
