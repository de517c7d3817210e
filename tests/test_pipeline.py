"""The real pipeline, tiny: every stage, the registry, an interruption, and row order."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from ganamis.files import read_json
from ganamis.params import load_params
from ganamis.registry import names, versions

ROOT = Path(__file__).parent.parent
SIZE = 64
PLAIN_NAMES = ("model-0", "model-1", "model-2")
# What people call generators: a missing value, a number, a word of ours, markup, a key of no store.
NAMES = ("NA", "007", "unknown-1 [red](ADA, 256px)")


def _image(generator: int, number: int) -> Image.Image:
    """Smooth content of its own, and a faint periodic fingerprint of the generator."""
    random = np.random.default_rng([generator, number])
    coarse = Image.fromarray(random.integers(40, 200, (4, 4), dtype=np.uint8))
    content = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=float)
    row, column = np.mgrid[:SIZE, :SIZE]
    wave = 12 * np.cos(2 * np.pi * (row * (generator + 1) + column * (3 - generator)) / 8)
    noisy = content + wave + random.normal(0, 2, (SIZE, SIZE))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def write_data(root: Path, *, per_generator: int = 12, names: Sequence[str] = PLAIN_NAMES) -> None:
    """Three generators, of which two are labelled."""
    labels = ["image,model"]
    (root / "test").mkdir(parents=True)
    for generator, called in enumerate(names):
        folder = root / "development" / called
        if generator < 2:
            folder.mkdir(parents=True)
        for number in range(per_generator):
            if generator < 2:
                _image(generator, number).save(folder / f"{number}.png")
            name = f"{generator}{number:03d}.png"
            _image(generator, 1000 + number).save(root / "test" / name)
            labels.append(f'{name},"{called}"')
    (root / "test_labels.csv").write_text("\n".join(labels) + "\n")


def tiny_params() -> dict:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["data"] |= {"root": "data/imported", "size": SIZE}
    params["architectures"] = ["custom_cnn_paper", "mobilenetv2_fingerprint"]
    profile = params["profiles"]["two_cores"]
    profile["search"] |= {"trials": 2, "learned": 0.01}
    profile["training"] |= {"epochs": 2, "search_epochs": 1, "batch_size": 8}
    fingerprint = profile["fingerprint"]
    fingerprint |= {"views": 4, "search_views": 1, "steps": 5, "search_steps": 2}
    fingerprint |= {"generators_share": 4, "trials": 2}
    profile["extractors"]["custom_cnn_paper"] = {"weights": "none", "crop": 32}
    profile["extractors"]["mobilenetv2_fingerprint"] = {
        "weights": "none",
        "depths": [4],
        "crops": [32],
    }
    params["cluster"] |= {"bootstrap": 50, "permutations": 50}
    params["model"]["baselines"] |= {"components": 4}
    return params


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone with tiny numbers and tiny data, imported."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("dvc.yaml", "MLproject", "conda.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "params.yaml").write_text(yaml.safe_dump(tiny_params(), sort_keys=False))
    write_data(folder / "source", names=NAMES)
    _run(folder, "git", "init", "-q")
    _run(folder, "dvc", "init", "-q")
    _run(folder, sys.executable, "-m", "ganamis", "import", "source")
    yield folder


def _environment() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return clean | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"}


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _kill_during_training(project: Path) -> None:
    """Start the pipeline and kill -9 everything once the first trial has finished."""
    process = subprocess.Popen(
        ["dvc", "repro", "report"],
        cwd=project,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal = project / "work" / "train" / "custom_cnn_paper" / "journal.log"
    deadline = time.monotonic() + 300
    while not (journal.exists() and '"op_code":6' in journal.read_text()):  # a trial has ended
        assert process.poll() is None, "the pipeline ended before it could be killed"
        assert time.monotonic() < deadline, "the first trial took too long"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    _kill_during_training(project)
    _run(project, "dvc", "repro", "report")
    return project


def test_a_killed_pipeline_leaves_no_run_open(finished: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{finished / 'mlflow.db'}")
    runs = mlflow.search_runs(experiment_names=["ganamis"])
    assert "RUNNING" not in set(runs["status"])
    killed = runs[(runs["status"] == "KILLED") & (runs["tags.stage"] == "train")]
    assert len(killed) == 1
    trained = runs[(runs["status"] == "FINISHED") & (runs["tags.stage"] == "train")]
    assert set(trained["tags.extractor"]) == {"custom_cnn_paper", "mobilenetv2_fingerprint"}
    assert set(trained["tags.recipe"]) == {"paper", "fingerprint"}
    assert trained["metrics.development_accuracy"].between(0, 1).all()
    assert trained["metrics.test_ari/kmeans_known"].notna().all()
    assert (trained["params.data_digest"].str.len() == 36).all()


def test_a_killed_search_gives_the_result_of_an_uninterrupted_one(
    finished: Path, tmp_path: Path
) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(finished / name, tmp_path / name)
    for name in ("data", "results", ".dvc"):
        shutil.copytree(finished / name, tmp_path / name)
    shutil.rmtree(tmp_path / "results" / "train")
    _run(tmp_path, "git", "init", "-q")
    _run(tmp_path, sys.executable, "-m", "ganamis", "train", "--architecture", "custom_cnn_paper")
    for name in ("metrics.json", "embeddings.npz"):
        relative = Path("results", "train", "custom_cnn_paper", name)
        assert (tmp_path / relative).read_bytes() == (finished / relative).read_bytes(), name


def test_a_second_repro_does_nothing(finished: Path) -> None:
    output = _run(finished, "dvc", "repro", "report")
    assert "Data and pipelines are up to date." in output


def test_one_architecture_changed_is_one_architecture_trained(finished: Path) -> None:
    params = yaml.safe_load((finished / "params.yaml").read_text())
    params["profiles"]["two_cores"]["extractors"]["mobilenetv2_fingerprint"]["crops"] = [40]
    (finished / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    try:
        status = yaml.safe_load(_run(finished, "dvc", "status", "--json"))
    finally:
        (finished / "params.yaml").write_text(yaml.safe_dump(tiny_params(), sort_keys=False))
    assert {name for name in status if name.startswith("train@")} == {
        "train@mobilenetv2_fingerprint"
    }


def test_every_extractor_is_scored_beside_the_content_baseline(finished: Path) -> None:
    scores = pd.read_csv(finished / "results" / "cluster" / "scores.csv")
    assert set(scores["architecture"]) == {
        "custom_cnn_paper",
        "mobilenetv2_fingerprint",
        "content_only",
    }
    assert set(scores["mode"]) == {"known", "unknown"}
    assert ((scores["ari_low"] <= scores["ari"]) & (scores["ari"] <= scores["ari_high"])).all()


def test_the_champion_loads_by_alias_and_predicts(finished: Path) -> None:
    decision = read_json(finished / "results" / "promote" / "decision.json", stage="promote")
    assert decision["promoted"] and decision["champion"] is None
    mlflow.set_tracking_uri(f"sqlite:///{finished / 'mlflow.db'}")
    model = versions.load_model(names.CHAMPION_URI)
    encoded = [path.read_bytes() for path in sorted((finished / "data/imported/test").glob("*"))]
    answers = model.predict(pd.DataFrame({"image": [*encoded[:3], b"broken"]}))
    assert list(answers.columns) == ["cluster", "generator", "known", "score", "error"]
    assert (answers["error"][:3] == "").all()
    assert "neither a PNG nor a JPEG" in answers["error"][3] and answers["cluster"][3] == -1


def test_the_report_is_written_and_logged(finished: Path) -> None:
    page = (finished / "results" / "report" / "report.html").read_text(encoding="utf-8")
    mlflow.set_tracking_uri(f"sqlite:///{finished / 'mlflow.db'}")
    (run,) = mlflow.search_runs(
        experiment_names=["ganamis"],
        filter_string="tags.stage = 'report'",
        output_format="list",
    )
    logged = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="report/report.html"
    )
    assert Path(logged).read_text(encoding="utf-8") == page
    summary = read_json(finished / "results" / "ingest" / "summary.json", stage="ingest")
    lock = yaml.safe_load((finished / "dvc.lock").read_text())
    md5s = [out["md5"] for name in ("cluster", "promote") for out in lock["stages"][name]["outs"]]
    assert summary["generators"] == sorted(NAMES[:2])
    for known in (run.info.run_id, summary["data_digest"], *md5s, "content_only", *NAMES):
        assert known in page


def test_without_labels_there_is_a_report_all_the_same(finished: Path, tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(finished / name, tmp_path / name)
    for name in ("data", "results", ".dvc"):
        shutil.copytree(finished / name, tmp_path / name)
    labels = tmp_path / "results" / "ingest" / "labels.csv"
    labels.write_text(labels.read_text().splitlines()[0] + "\n")
    (tmp_path / "results" / "cluster" / "scores.csv").write_text("\n")
    (tmp_path / "results" / "cluster" / "figures" / "ari.png").unlink()
    _run(tmp_path, "git", "init", "-q")
    _run(tmp_path, sys.executable, "-m", "ganamis", "report")
    page = (tmp_path / "results" / "report" / "report.html").read_text(encoding="utf-8")
    assert "no test labels" in page and NAMES[2] not in page


def test_mistyped_parameters_are_refused_before_any_work(finished: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganamis", "train", "--architecture", "resnet51"],
        cwd=finished,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "resnet51" in done.stderr and "resnet50" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_tiny_parameters_are_valid(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params()))
    assert load_params(tmp_path / "params.yaml").data.size == SIZE
