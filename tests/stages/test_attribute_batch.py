"""`attribute-batch` on a real Spark: the plain model's answers, one row per file, nothing lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from ganamis.registry import versions
from tests.builders import encode, noise, write
from tests.serving.tiny_model import good_image, register_champion
from tests.test_pipeline import SIZE, tiny_params, write_data

needs_spark = pytest.mark.skipif(
    shutil.which("java") is None, reason="Spark needs Java, which is not installed"
)
MODEL = f"models:/{versions.MODEL}@{versions.CHAMPION}"
LARGEST = 50_000  # bytes


def _environment(**changes: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return clean | changes


def ganamis(project: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganamis", *arguments],
        cwd=project,
        env=_environment(**changes),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params.yaml, tiny data, and a champion in its registry."""
    folder = tmp_path_factory.mktemp("project")
    params = tiny_params()
    params["attribute_batch"]["largest_file"] = LARGEST
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    write_data(folder / "data")
    register_champion(folder)
    return folder


@pytest.fixture(scope="module")
def images(project: Path) -> Path:
    """Good images in nested folders under awkward names, and every kind of bad file."""
    root = project / "images [1] {a,b} 100%"
    for seed in range(36):
        write(root / str(seed % 3) / f"CT {seed:02d} ü%20.png", good_image(seed))
    write(root / "bad" / "broken.png", encode(noise(1, size=SIZE))[:200])
    write(root / "bad" / "empty.png", b"")
    write(root / "bad" / "notes.txt", "no image")
    write(root / "bad" / "size.png", noise(2, size=SIZE // 2))
    write(root / "bad" / "large.png", noise(3, size=300))
    write(root / "bad" / "unreadable.png", noise(4, size=SIZE))
    write(root / "bad" / ".unreadable.png.crc", b"crc\0\0\0\2\0wrong sums")
    return root


@needs_spark
def test_plain_model_and_spark_agree_and_bad_files_are_rows(project: Path, images: Path) -> None:
    out = project / "out" / "attributed.parquet"
    done = ganamis(
        project, "attribute-batch", str(images), "--out", str(out), "--master", "local[2]"
    )
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(out)
    columns = ["path", "image", "cluster", "generator", "score", "unknown", "error"]
    assert list(found.columns) == columns
    shown = [path for path in images.rglob("*") if path.is_file() and path.name[0] != "."]
    files = [path for path in shown if path.stat().st_size]
    assert sorted(found["image"]) == sorted(path.name for path in files)
    assert set(found["path"].str.removeprefix("file:")) == {str(path) for path in files}

    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    plain = versions.load_model(MODEL)
    good = sorted(path for path in files if path.parent.name != "bad")
    expected = plain.predict(pd.DataFrame({"image": [path.read_bytes() for path in good]}))
    expected.index = pd.Index([path.name for path in good])
    answers = found.set_index("image").loc[expected.index]
    for column in ("cluster", "generator", "unknown", "error"):
        assert answers[column].tolist() == expected[column].tolist(), column
    np.testing.assert_allclose(answers["score"], expected["score"], rtol=0, atol=1e-6)
    assert (answers["error"] == "").all() and answers["generator"].nunique() > 1

    errors = found.set_index("image")["error"]
    bad = found[found["path"].str.contains("/bad/")]
    assert (bad["cluster"] == -1).all() and (bad["score"] == 0).all() and bad["unknown"].all()
    assert (bad["generator"] == "unknown").all()
    for name, reason in {
        "broken.png": "truncated or damaged",
        "notes.txt": "neither a PNG nor a JPEG",
        "size.png": f"expected {SIZE}x{SIZE} pixels",
        "large.png": f"larger than {LARGEST} bytes",
        "unreadable.png": "cannot be read",
    }.items():
        assert reason in errors[name], name

    stray = (answers["cluster"] == -1).sum()
    assert f"made {len(good) - stray} images" in done.stdout
    assert (f"{stray} fit none of them" in done.stdout) == (stray > 0)
    assert re.search(r"5 files could not be attributed", done.stdout)
    assert "1 empty files were left out" in done.stdout
    of_java = "WARNING: "  # its notes on modules of its own
    assert [line for line in done.stderr.splitlines() if not line.startswith(of_java)] == []
    assert sorted(path.name for path in out.parent.iterdir()) == [out.name]
    left = {path.name for path in project.iterdir()}
    assert not left & {"spark-warehouse", "artifacts", "derby.log", "metastore_db"}

    again = ganamis(project, "attribute-batch", str(images), "--out", str(out))
    assert again.returncode == 2 and "exists already" in again.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(out), found)


@needs_spark
def test_a_killed_run_leaves_no_result(project: Path, images: Path) -> None:
    out = project / "killed" / "attributed.parquet"
    process = subprocess.Popen(
        [sys.executable, "-m", "ganamis", "attribute-batch", str(images), "--out", str(out)],
        cwd=project,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(out.parent.glob(".*/_temporary")):  # Spark has begun to write
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()


REFUSED = (
    ("empty", MODEL, "local[1]", "'empty' has no files; name the folder"),
    ("s3a://bucket/prefix", MODEL, "local[1]", r"cannot be listed .* \(docs/scaling.md\)"),
    ("data", "models:/ganamis@nobody", "local[1]", "models:/ganamis@nobody"),
    ("data", MODEL, "local[one", r"Spark did not start on master 'local\[one'"),
)
# One process for all: starting Java takes longer than refusing.
REFUSE = """
import json, sys
from ganamis.errors import UserError
from ganamis.params import load_params
from ganamis.stages.attribute_batch import attribute_batch
messages = []
for source, model, master, _ in json.loads(sys.argv[1]):
    try:
        attribute_batch(source, load_params(), out="refused.parquet", model=model, master=master)
        messages.append("")
    except UserError as error:
        messages.append(str(error))
print(json.dumps(messages))
"""


@needs_spark
def test_what_spark_or_the_registry_refuses_is_one_message(project: Path) -> None:
    (project / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", REFUSE, json.dumps(REFUSED)],
        cwd=project,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    messages = json.loads(done.stdout.splitlines()[-1])
    for (*_, expected), message in zip(REFUSED, messages, strict=True):
        assert re.search(expected, message), message
    assert not (project / "refused.parquet").exists()


def test_a_missing_folder_is_named(project: Path) -> None:
    done = ganamis(project, "attribute-batch", "absent", "--out", "refused.parquet")
    assert done.returncode == 2 and "'absent' is no folder" in done.stderr


def test_missing_java_is_explained(project: Path) -> None:
    options = ("--out", "refused.parquet")
    done = ganamis(project, "attribute-batch", "data", *options, JAVA_HOME=str(project))
    assert done.returncode == 2, done.stderr
    assert "needs Java 17" in done.stderr and "JAVA_HOME" in done.stderr


def test_missing_pyspark_is_explained_with_its_command(project: Path) -> None:
    code = "import sys; sys.modules['pyspark'] = None; from ganamis.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "attribute-batch", "data", "--out", "refused.parquet"],
        cwd=project,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'ganamis[spark]'" in done.stderr
