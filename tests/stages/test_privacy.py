"""Whom a file is of stays in the file: not in an answer, a page, a log, the store or a model."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from ganamis.data.reading import parse_reading
from ganamis.model.storage import save_model
from ganamis.registry import names, versions
from ganamis.stages.attribute import attribute
from ganamis.stages.learn import learn
from ganamis.tracking.store import VARIABLE
from tests.builders import PARAMS, write
from tests.data.medical import IDENTIFIER, PERSONAL, SECRET, dicom_bytes, nifti_bytes
from tests.model.simulated import draw, model_of

TEXTS = {SECRET, IDENTIFIER, *PERSONAL.values()}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Images of two generators as DICOM files and as one NIfTI volume, and an empty store."""
    folder = tmp_path / "project"
    for generator in (0, 2):
        levels = draw(generator, 20, 4).astype(np.int16) * 6 - 1350  # Hounsfield units of lungs
        for number, values in enumerate(levels[:12]):
            write(tmp_path / "images" / f"{generator}-{number:02}.dcm", dicom_bytes(values))
        volume = nifti_bytes(levels[12:].transpose(2, 1, 0))
        write(tmp_path / "images" / f"{generator}-volume.nii.gz", volume)
    save_model(model_of(0, 1), folder / "model")
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, "")
    mlflow.set_registry_uri("")
    yield folder
    mlflow.set_registry_uri("")


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file below `folder`; of archives each member, unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield str(path), content
            if zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    for name in archive.namelist():
                        yield f"{path}: {name}", archive.read(name)


def test_a_patient_reaches_nothing_that_is_written_or_said(
    project: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    reading = parse_reading(window="lung", axis="k")
    images, table = tmp_path / "images", Path("clusters.csv")
    attribute(
        images,
        out=table,
        clusters="2",
        model="model",
        submission=Path("submission.csv"),
        report=Path("page.html"),
        reading=reading,
    )
    assert len(answers := pd.read_csv(table)) == 40
    cluster = answers.loc[~answers["known"], "generator"].iloc[0]
    name = [f"{cluster}=clinic A"]
    learn(images, PARAMS, table=table, names=name, model="model", out=None, reading=reading)
    assert versions.version_of(names.CHALLENGER) is not None
    said = "".join(capfd.readouterr()) + caplog.text
    assert "40 images of more than 8 bits were read through the window lung" in " ".join(
        said.split()
    )
    found = dict(everything(project))
    page = Path("page.html").read_text(encoding="utf-8")
    assert "read through the window lung (level -600, width 1500)" in page
    for name in ("page.html", "clusters.csv", "mlflow.db", "nuisance.npz: labels.npy"):
        assert any(path.endswith(name) for path in found), name
    for text in TEXTS:
        assert text not in said
        for encoded in (
            text.encode(),
            text.encode("utf-32-le"),
        ):  # as texts are, and arrays of them
            leaks = [path for path, content in found.items() if encoded in content]
            assert not leaks, (text, leaks)
