"""`attribute --report`: the page says what the table says, of a folder with everything in it."""

from pathlib import Path

import pandas as pd
import pytest

from ganamis.data.reading import Reading
from ganamis.stages.attribute import attribute
from tests.builders import noise, write
from tests.report.test_page import Document
from tests.two_generators import write_images


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "<b>images"


def _page(folder: Path, *, clusters: str = "auto") -> tuple[str, pd.DataFrame]:
    attribute(
        folder,
        out=Path("found.csv"),
        clusters=clusters,
        model=None,
        submission=None,
        report=Path("page.html"),
        reading=Reading(),
    )
    return Path("page.html").read_text(encoding="utf-8"), pd.read_csv("found.csv")


def test_a_plain_folder(folder: Path) -> None:
    write_images(folder, images=12)
    write(folder / "copy.png", (folder / "0" / "0.png").read_bytes())
    write(folder / "notes.txt", "no image")
    page, table = _page(folder, clusters="2")
    assert len(table) == 25 and "behind these 25 images" in page
    assert "of which 24 differ" in page
    assert "notes.txt" in page and "1 file skipped" in page
    assert "<b>images" not in page and "&lt;b&gt;images" in page
    document = Document(page)
    assert document.open == []
    alts = [str(image["alt"]) for image in document.all("img")]
    assert sum(alt.startswith("Example") for alt in alts) == 12
    assert any(alt.startswith("Tree of the clusters") for alt in alts)
    for path in table["image"][:3]:
        assert not Path(path).is_absolute()


def test_a_labelled_folder_shows_the_fingerprints_it_taught(folder: Path) -> None:
    write_images(folder / "development", images=6)
    write_images(folder / "test", images=6, first=100)
    page, _ = _page(folder)
    assert "taught by 12 images of this folder" in page
    assert "known generator: 0 and 1." in page and "dcgan" not in page


def test_one_image_has_a_page_too(folder: Path) -> None:
    write(folder / "only.png", noise(1, size=64))
    page, _ = _page(folder)
    assert "<h1>1 generator behind this 1 image</h1>" in page
    assert "no other that an image could belong to" in page
