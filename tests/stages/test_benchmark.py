"""`benchmark` on a tiny data set: the whole table, whatever files and rows are called."""

import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ganamis.data.degradations import MIX
from ganamis.errors import UserError
from ganamis.params import Params
from ganamis.report.benchmark import COMPARED, shown
from ganamis.stages import benchmark as stage
from ganamis.stages.benchmark import benchmark
from tests.builders import PARAMS
from tests.test_pipeline import SIZE, write_data

SEEDS = 1
FEW_NAMES = ("clean", "jpeg75", MIX)  # of the conditions, for time


@pytest.fixture
def params() -> Params:
    data = PARAMS.data.model_copy(update={"size": SIZE})
    return PARAMS.model_copy(update={"data": data})


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr(stage, "NAMES", FEW_NAMES)
    write_data(tmp_path / "images")
    return tmp_path / "images"


def _renamed(source: Path, folder: Path) -> Path:
    """The same images under names in the opposite order."""
    shutil.copytree(source, folder)
    labels = pd.read_csv(folder / "test_labels.csv", dtype=str)
    for place, name in enumerate(labels["image"]):
        (folder / "test" / name).rename(folder / "test" / f"z{len(labels) - place:03d}.png")
    labels["image"] = [f"z{len(labels) - place:03d}.png" for place in range(len(labels))]
    labels.to_csv(folder / "test_labels.csv", index=False)
    return folder


def test_every_case_is_scored_and_names_of_files_change_nothing(
    images: Path, tmp_path: Path, params: Params
) -> None:
    out = tmp_path / "benchmark.md"
    benchmark(images, params, out=out, seeds=SEEDS, extractors=["spectrum"])
    scores = pd.read_csv(out.with_suffix(".csv"))
    given = scores[scores["condition"].isin(FEW_NAMES)]
    cases = given.groupby(["extractor", "clusterer", "mode"])["condition"].agg(["nunique", "size"])
    assert shown(scores) == [("spectrum", "open_world", "unknown"), *COMPARED]
    assert (cases["nunique"] == len(FEW_NAMES)).all() and (
        cases["size"] == SEEDS * len(FEW_NAMES)
    ).all()
    spectra = scores[scores["extractor"] == "spectrum"]
    found = spectra.query("condition == 'clean' and clusterer == 'open_world'")
    assert (found["ari"] > 0.9).all() and (found["generators"] == 3).all()
    alone = scores[scores["condition"].str.startswith("only ")]
    assert alone["condition"].nunique() == 3 and (alone["generators"] == 1).all()
    text = out.read_text()
    assert "benchmark.png" in text and all(f"| {name} |" in text for name in FEW_NAMES)
    runs = mlflow.search_runs(search_all_experiments=True)
    assert runs.loc[0, "metrics.ari/spectrum/open_world/unknown/clean"] == pytest.approx(
        found.loc[found["mode"] == "unknown", "ari"].mean()
    )

    again = tmp_path / "again.md"
    benchmark(
        _renamed(images, tmp_path / "renamed"),
        params,
        out=again,
        seeds=SEEDS,
        extractors=["spectrum"],
    )
    pd.testing.assert_frame_equal(pd.read_csv(again.with_suffix(".csv")), scores)


def test_without_labels_nothing_is_written(images: Path, tmp_path: Path, params: Params) -> None:
    (images / "test_labels.csv").unlink()
    out = tmp_path / "benchmark.md"
    with pytest.raises(UserError, match="needs labels to score"):
        benchmark(images, params, out=out, seeds=1, extractors=["spectrum"])
    assert not list(tmp_path.glob("benchmark.*"))


def test_an_unknown_extractor_is_refused_before_anything_is_read(
    tmp_path: Path, params: Params
) -> None:
    with pytest.raises(UserError, match="'spectra' is unknown; choose one of .*spectrum"):
        benchmark(tmp_path, params, out=tmp_path / "b.md", seeds=1, extractors=["spectra"])


def test_a_learned_extractor_stands_beside_the_spectrum(
    images: Path, tmp_path: Path, params: Params
) -> None:
    profile = params.active
    small = profile.extractors.fusion.model_copy(update={"steps": 5, "crop": 32})
    extractors = profile.extractors.model_copy(update={"fusion": small})
    fewer = profile.model_copy(update={"extractors": extractors, "degradations": ["jpeg75"]})
    params = params.model_copy(update={"profiles": {params.profile: fewer}})
    out = tmp_path / "benchmark.md"
    benchmark(images, params, out=out, seeds=1, extractors=["spectrum", "fusion"])
    scores = pd.read_csv(out.with_suffix(".csv"))
    assert shown(scores)[1] == ("fusion", "open_world", "unknown")
    clean = scores.query("condition == 'clean' and clusterer == 'open_world' and mode == 'unknown'")
    assert clean.set_index("extractor").loc["fusion", "ari"] > 0.9
    assert "| fusion, open_world, number unknown |" in out.read_text()
