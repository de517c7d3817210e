"""`attribute`: any folder, no labels, no params.yaml, nothing heavy imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.model.storage import save_model
from ganamis.registry.choice import STORE_VARIABLE
from ganamis.stages.attribute import attribute
from tests.builders import write
from tests.model.simulated import model_of, write_images

IMAGES = 14
WIDE = (72, 96)  # height and width


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stored model that knows generators 0 and 1 as a and b."""
    folder = tmp_path_factory.mktemp("stored") / "model"
    save_model(model_of(0, 1), folder)
    return str(folder)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: no params.yaml, no store."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    return folder


def answer(
    folder: Path,
    model: str | None,
    *,
    clusters: str = "auto",
    submission: Path | None = None,
    size: tuple[int, int] | None = None,
) -> pd.DataFrame:
    out = Path("clusters.csv")
    attribute(
        folder,
        out=out,
        clusters=clusters,
        model=model,
        submission=submission,
        report=None,
        reading=Reading(size=size),
    )
    table = pd.read_csv(out, dtype={"image": str})
    assert list(table.columns) == ["image", "cluster", "generator", "known", "score"]
    assert table["image"].is_monotonic_increasing and table["score"].between(0, 1).all()
    return table


def truth(table: pd.DataFrame) -> np.ndarray:
    """The generator's number, with which names of files begin."""
    return table["image"].str.split("/").str[-1].str[0].to_numpy(dtype=str)


def test_a_plain_folder(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "images"
    for generator in (0, 1, 3):
        write_images(folder, generator, IMAGES, 4)
    write(folder / "readme.txt", "no image")
    table = answer(folder, model)
    assert len(table) == 3 * IMAGES
    assert adjusted_rand_score(truth(table), table["cluster"]) > 0.9
    assert set(table["generator"]) == {"a", "b", "unknown-1"}
    expected = np.array(["a", "b", "", "unknown-1"])[truth(table).astype(int)]
    assert (table["generator"] == expected).mean() > 0.9
    said = capsys.readouterr().out
    assert f"Answering with the model in '{model}'." in " ".join(said.split())
    assert "1 file was skipped: 'readme.txt' is" in " ".join(said.split())
    assert "Processing the images resemble: " in said


def test_unknown_generators_alone_tell_nothing_of_processing(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once `noise3 98%` was said of clean images of a generator that the model did not know."""
    folder = tmp_path / "images"
    write_images(folder, 3, IMAGES, 4)
    assert set(answer(folder, model)["generator"]) == {"unknown-1"}
    said = " ".join(capsys.readouterr().out.split())
    assert "Processing" not in said and f"1 generator made {IMAGES} images" in said


def test_a_nested_folder_gives_the_same_answer(tmp_path: Path, model: str) -> None:
    flat, nested = tmp_path / "flat", tmp_path / "nested"
    for place, generator in enumerate((0, 3)):
        write_images(flat, generator, IMAGES, 4)
        write_images(nested / "scanner" / f"visit {place}", generator, IMAGES, 4)
    one, two = answer(flat, model), answer(nested, model)
    two["image"] = [path.split("/")[-1] for path in two["image"]]
    two = two.sort_values("image", ignore_index=True).astype(one.dtypes)
    pd.testing.assert_frame_equal(two, one)


def test_a_labelled_folder_teaches(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    write_images(folder / "development" / "mine", 1, IMAGES, 5)
    write_images(folder / "development" / "[b]yours", 2, IMAGES, 5)
    for generator in (1, 2, 3):
        write_images(folder / "test", generator, IMAGES, 4)
    table = answer(folder, model)
    assert not table["image"].str.startswith("test/").any() and len(table) == 3 * IMAGES
    assert set(table["generator"]) == {"mine", "[b]yours", "unknown-1"}
    assert set(table.loc[table["known"], "generator"]) == {"mine", "[b]yours"}
    said = " ".join(capsys.readouterr().out.split())
    assert "It learned 2 generators from 28 images of this folder: [b]yours, mine." in said


def test_a_development_folder_called_unknown_1_stays_apart(tmp_path: Path, model: str) -> None:
    """Once joined with the first unknown cluster: three generators found for four."""
    folder = tmp_path / "images"
    for generator, name in ((0, "a"), (1, "b"), (2, "unknown-1")):
        write_images(folder / "development" / name, generator, IMAGES, 5)
    for generator in (0, 1, 2, 3):
        write_images(folder / "test", generator, IMAGES, 4)
    table = answer(folder, model)
    assert adjusted_rand_score(truth(table), table["cluster"]) > 0.9
    assert table["cluster"].nunique() == table["generator"].nunique() == 4
    expected = np.array(["a", "b", "unknown-1", "unknown-2"])[truth(table).astype(int)]
    assert (table["generator"] == expected).mean() > 0.9
    assert (table["known"] == (expected != "unknown-2")).mean() > 0.9


def test_only_teachers_is_refused(tmp_path: Path, model: str) -> None:
    write_images(tmp_path / "images" / "development" / "mine", 1, 4, 5)
    with pytest.raises(UserError, match="holds only images that teach"):
        answer(tmp_path / "images", model)


def test_mixed_sizes_are_refused_and_one_can_be_chosen(tmp_path: Path, model: str) -> None:
    folder = tmp_path / "images"
    write_images(folder, 0, 6, 4)
    write_images(folder / "wide", 3, 5, 4, size=WIDE)
    with pytest.raises(UserError, match="different sizes: 6 of 64x64, 5 of 96x72; choose one by"):
        answer(folder, model)
    assert not Path("clusters.csv").exists()
    table = answer(folder, model, size=(96, 72))
    assert len(table) == 5 and table["image"].str.startswith("wide/").all()


def test_a_given_number_and_the_submission(tmp_path: Path, model: str) -> None:
    folder = tmp_path / "images"
    for generator in (0, 3):
        write_images(folder / "test", generator, 8, 4)
    write_images(folder / "development" / "a", 0, 8, 6)
    table = answer(folder, model, clusters="3", submission=Path("run.csv"))
    assert table["cluster"].nunique() == 3
    lines = [line.split(",") for line in Path("run.csv").read_text().splitlines()]
    assert [name for name, _ in lines] == [n.removesuffix(".png") for n in table["image"]]
    assert [int(cluster) for _, cluster in lines] == (table["cluster"] + 1).tolist()


@pytest.mark.parametrize("clusters", ["0", "-1", "two", "1.5", ""])
def test_a_bad_number_is_refused(tmp_path: Path, model: str, clusters: str) -> None:
    write_images(tmp_path / "images", 0, 4, 4)
    with pytest.raises(UserError, match="expected auto or a whole number from 1"):
        answer(tmp_path / "images", model, clusters=clusters)


def test_more_clusters_than_images_is_refused(tmp_path: Path, model: str) -> None:
    write_images(tmp_path / "images", 0, 4, 4)
    with pytest.raises(UserError, match="4 different images cannot be 5 clusters"):
        answer(tmp_path / "images", model, clusters="5")


SCRIPT = """
import json, sys
from ganamis.__main__ import main
sys.argv = ["ganamis", "attribute", sys.argv[1], "--out", "clusters.csv"]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted(sys.modules)))
"""


def test_the_shipped_model_answers_in_an_empty_folder_and_imports_nothing_heavy(
    tmp_path: Path, elsewhere: Path
) -> None:
    for generator in (0, 3):
        write_images(tmp_path / "images", generator, 8, 4, size=WIDE)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "images")],
        cwd=elsewhere,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, modules = done.stdout.rsplit("\n", 2)[:2]
    assert "the model that ships with the package" in " ".join(said.split())
    tops = {name.split(".")[0] for name in json.loads(modules)}
    assert tops.isdisjoint({"tensorflow", "keras", "mlflow", "dvc", "optuna", "pyspark"})
    assert tops.isdisjoint({"sklearn", "matplotlib"}) and "scipy.signal" not in json.loads(modules)
    assert len(pd.read_csv(elsewhere / "clusters.csv")) == 16
    assert [path.name for path in elsewhere.iterdir()] == ["clusters.csv"]
