"""`benchmark` on tiny data sets: the whole table, whatever files and rows are called."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ganamis.contracts import CLEAN
from ganamis.data.degradations import MIX
from ganamis.data.labelled import read_labelled
from ganamis.errors import UserError
from ganamis.extractors.spectrum import Spectrum
from ganamis.model.catalogue import fit_on_images, without_trace
from ganamis.model.storage import save_model
from ganamis.stages import benchmark as stage
from ganamis.stages.benchmark import NOTHING, SOME, benchmark
from ganamis.stages.kept_rows import KeptRows, Row
from tests.builders import PARAMS
from tests.test_pipeline import SIZE, write_data

FEW_NAMES = (CLEAN, "jpeg75", MIX)  # of the conditions, for time
ORDER = "open_world - number unknown"


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr(stage, "CONDITIONS", {"taught": FEW_NAMES, "untaught": ("jpeg60",)})
    write_data(tmp_path / "images")
    return tmp_path / "images"


@pytest.fixture
def model(images: Path, tmp_path: Path) -> str:
    """A model of the folder's own two generators, and of two others."""
    known = read_labelled(images)
    random = np.random.default_rng(0)
    others = np.clip(np.cumsum(random.normal(0, 9, (24, SIZE, SIZE)), axis=2) + 120, 0, 255)
    others[12:] = np.round(others[12:] / 8) * 8
    fitted = fit_on_images(
        Spectrum(grid=2, periods=(32, 16), threads=1),
        np.concatenate([known.taught, others.astype(np.uint8)]),
        np.concatenate([known.taught_generators, np.repeat(["walk", "steps"], 12)]),
        conditions=(CLEAN, "jpeg75"),
        settings=PARAMS.model,
        seed=0,
    )
    save_model(fitted, tmp_path / "model")
    return str(tmp_path / "model")


def _renamed(source: Path, folder: Path) -> Path:
    """The same images under names in the opposite order."""
    shutil.copytree(source, folder)
    labels = pd.read_csv(folder / "test_labels.csv", dtype=str)
    for place, name in enumerate(labels["image"]):
        (folder / "test" / name).rename(folder / "test" / f"z{len(labels) - place:03d}.png")
    labels["image"] = [f"z{len(labels) - place:03d}.png" for place in range(len(labels))]
    labels.to_csv(folder / "test_labels.csv", index=False)
    return folder


def _pool(images: Path, folder: Path) -> Path:
    """The test images, one folder for each generator."""
    for row in pd.read_csv(images / "test_labels.csv", dtype=str).itertuples():
        (folder / row.model).mkdir(parents=True, exist_ok=True)
        shutil.copy(images / "test" / row.image, folder / row.model / row.image)
    return folder


def test_every_case_is_scored_and_names_of_files_change_nothing(
    images: Path, tmp_path: Path, model: str
) -> None:
    out, pool = tmp_path / "benchmark.md", _pool(images, tmp_path / "pool")
    benchmark([images, pool], PARAMS, out=out, seeds=1, conditions="taught", model=model)
    scores = pd.read_csv(out.with_suffix(".csv"))
    sets = [f"images - {NOTHING}", f"images - {SOME}", f"pool - {NOTHING}"]
    for name in sets:
        rows = scores[scores["series"] == f"{name} - {ORDER}"]
        assert set(FEW_NAMES) < set(rows["condition"]) and rows["condition"].is_unique
        assert rows["condition"].str.startswith("only ").sum() == 3
        assert (rows.set_index("condition").loc[list(FEW_NAMES), "generators"] == 3).all()
    wise = scores[scores["series"] == f"images - {SOME} - open_world - number known"]
    assert wise.set_index("condition").loc[CLEAN, "ari"] > 0.9
    text = out.read_text()
    assert "benchmark.png" in text and all(f"| {name} |" in text for name in FEW_NAMES)
    runs = mlflow.search_runs(search_all_experiments=True)
    logged = [name for name in runs.columns if name.startswith("metrics.ari/")]
    assert len(logged) == len(scores.groupby(["series", "condition"]))

    again = tmp_path / "again.md"
    renamed = _renamed(images, tmp_path / "again" / "images")
    benchmark([renamed, pool], PARAMS, out=again, seeds=1, conditions="taught", model=model)
    pd.testing.assert_frame_equal(pd.read_csv(again.with_suffix(".csv")), scores)


def test_a_killed_benchmark_goes_on_from_the_last_condition(
    images: Path,
    tmp_path: Path,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(stage, "CONDITIONS", {"taught": ("jpeg75", MIX)})
    pool, done = _pool(images, tmp_path / "pool"), []
    scored = stage._condition

    def counted(folder: stage._Folder, condition: str, *, seed: int) -> Iterator[Row]:
        done.append(condition)
        if done == ["jpeg75", MIX]:
            raise KeyboardInterrupt
        return scored(folder, condition, seed=seed)

    def scores(out: Path) -> pd.DataFrame:
        benchmark([pool], PARAMS, out=out, seeds=1, conditions="taught", model=model)
        return pd.read_csv(out.with_suffix(".csv"))

    monkeypatch.setattr(stage, "_condition", counted)
    with pytest.raises(KeyboardInterrupt):
        scores(tmp_path / "killed.md")
    said = [line for line in capsys.readouterr().err.splitlines() if "found, adjusted Rand" in line]
    assert [line.split(", ")[1] for line in said] == ["jpeg75"]
    went_on = scores(tmp_path / "killed.md")
    assert done == ["jpeg75", MIX, MIX]
    assert "where 1 are done" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob(".*"))
    pd.testing.assert_frame_equal(scores(tmp_path / "undisturbed.md"), went_on)


def test_folders_of_one_name_are_not_taken_for_one_another(
    images: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "CONDITIONS", {"taught": (MIX,)})
    folders = [_pool(images, tmp_path / name / "pool") for name in "ab"]
    for path in sorted((folders[1] / "model-0").iterdir())[1:]:
        path.unlink()
    out = tmp_path / "scores.md"
    scores: list[pd.DataFrame] = []

    def interrupted(found: pd.DataFrame, figure: Path) -> None:
        scores.append(found)
        if len(scores) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(stage, "degradation_chart", interrupted)
    monkeypatch.setattr(stage.runs, "log_benchmark", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        benchmark(folders, PARAMS, out=out, seeds=1, conditions="taught", model=model)
    benchmark(folders, PARAMS, out=out, seeds=1, conditions="taught", model=model)
    pd.testing.assert_frame_equal(scores[0], scores[1])


def test_rows_are_kept_for_the_same_settings_alone(tmp_path: Path) -> None:
    out, settings = tmp_path / "scores.md", {"model": "one"}
    KeptRows(out, settings).keep("clean", [{"ari": 0.25}])
    with KeptRows(out, settings).path.open("a") as file:
        file.write('{"half a li')
    kept = KeptRows(out, settings)
    assert kept.of("clean") == [{"ari": 0.25}] and kept.of("mix") is None
    kept.keep("mix", [])
    assert KeptRows(out, settings).of("mix") == []
    assert KeptRows(out, {"model": "another"}).of("clean") is None
    kept.path.write_text('{"model": "one"}\n[1]\n')
    with pytest.raises(UserError, match="is damaged .* remove it, and the benchmark begins anew"):
        KeptRows(out, settings)


def test_a_set_left_out_leaves_no_trace(images: Path, model: str) -> None:
    from ganamis.model.storage import load_model

    whole = load_model(Path(model))
    rest = without_trace(whole, ["model-0", "model-1"])
    assert rest.known == ("steps", "walk") and set(whole.known) > set(rest.known)
    assert set(rest.backend.nuisance.labels) == {"steps", "walk"}
    assert without_trace(whole, []) is whole


def test_without_labels_nothing_is_written(images: Path, tmp_path: Path, model: str) -> None:
    (images / "test_labels.csv").unlink()
    out = tmp_path / "benchmark.md"
    with pytest.raises(UserError, match="needs labels to score"):
        benchmark([images], PARAMS, out=out, seeds=1, conditions="taught", model=model)
    assert not list(tmp_path.glob("benchmark.*"))


def test_loose_images_have_no_generator(tmp_path: Path) -> None:
    for number in range(3):
        pixels = np.full((SIZE, SIZE), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    with pytest.raises(UserError, match="lies in no generator's folder"):
        read_labelled(tmp_path)


def test_unknown_conditions_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'some'; expected taught, untaught or all"):
        benchmark([tmp_path], PARAMS, out=tmp_path / "b.md", seeds=1, conditions="some", model=None)
