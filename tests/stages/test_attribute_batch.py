"""`attribute-batch` on a real Spark: the partition of `attribute`, a row per file, nothing lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from sklearn.metrics import adjusted_rand_score

from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import save_model
from ganamis.params import PARAMS_FILE
from ganamis.registry import names, versions
from ganamis.tracking import runs
from tests.builders import PARAMS, encode, noise, write
from tests.model.simulated import draw, model_of, write_images

needs_spark = pytest.mark.skipif(
    shutil.which("java") is None, reason="Spark needs Java, which is not installed"
)
MODEL = names.CHAMPION_URI
ROOT = Path(__file__).parents[2]
SIZE = 64
LARGEST = 50_000  # bytes


# A Java that lives for seconds: no second compiler, no threads for garbage, few empty tasks.
SPARK = """
spark.driver.defaultJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
spark.sql.shuffle.partitions 2
"""


def _environment(project: Path, **changes: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return clean | {"SPARK_CONF_DIR": str(project / "spark")} | changes


def ganamis(project: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganamis", *arguments],
        cwd=project,
        env=_environment(project, **changes),
        capture_output=True,
        text=True,
        check=False,
    )


def _searching(model: FingerprintModel, sample: int) -> FingerprintModel:
    """The model, but with fewer images searched and the others assigned."""
    settings = model.backend.settings.model_copy(update={"sample": sample})
    return replace(model, backend=replace(model.backend, settings=settings))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params.yaml, a stored model, and the same as champion of its registry."""
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / PARAMS_FILE).read_text())
    params["attribute_batch"]["largest_file"] = LARGEST
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    write(folder / "spark" / "spark-defaults.conf", SPARK)
    save_model(_searching(model_of(0, 1), 40), folder / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with runs.stage_run("register", name="tiny", params={}, tags={}):
            version = versions.register(
                folder / "model",
                pd.DataFrame(columns=["held_out", "id", "generator", "label"]),
                limits=PARAMS.serve.model_dump(),
                tags={},
            )
        mlflow.MlflowClient().set_registered_model_alias(
            names.MODEL, names.CHAMPION, version.version
        )
    return folder


@pytest.fixture(scope="module")
def images(project: Path) -> Path:
    """Good images in nested folders under awkward names, and every kind of bad file."""
    root = project / "images [1] {a,b} 100%"
    for generator in range(3):
        write_images(root / "CT ü%20", generator, 30, 7)
    shutil.copytree(root / "CT ü%20", root / "again")  # the same pixels under other names
    for path in (root / "again").iterdir():
        path.rename(path.with_name(f"copy {path.name}"))
    colours = np.stack([draw(0, 1, seed)[0] for seed in (8, 9, 10)], axis=-1)
    write(root / "colour.png", encode(Image.fromarray(colours)))
    write(root / "bad" / "broken.png", encode(noise(1, size=SIZE))[:200])
    write(root / "bad" / "empty.png", b"")
    write(root / "bad" / "notes.txt", "no image")
    write(root / "bad" / "size.png", noise(2, size=80))
    write(root / "bad" / "large.png", noise(3, size=300))
    write(root / "bad" / "unreadable.png", noise(4, size=90))
    write(root / "bad" / ".unreadable.png.crc", b"crc\0\0\0\2\0wrong sums")
    return root


@needs_spark
def test_attribute_the_registry_and_spark_give_one_partition(project: Path, images: Path) -> None:
    out = project / "out" / "attributed.parquet"
    options = ("--out", str(out), "--master", "local[2]")
    done = ganamis(project, "attribute-batch", str(images), *options)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(out)
    columns = ["path", "image", "cluster", "generator", "known", "score", "error"]
    assert list(found.columns) == columns
    shown = [path for path in images.rglob("*") if path.is_file() and path.name[0] != "."]
    files = [path for path in shown if path.stat().st_size]
    assert sorted(found["image"]) == sorted(path.name for path in files)
    assert set(found["path"].str.removeprefix("file:")) == {str(path) for path in files}
    answers = found.set_index("image")

    options = ("--out", "plain.csv", "--size", f"{SIZE}x{SIZE}")
    assert ganamis(project, "attribute", str(images), *options).returncode == 0
    plain = pd.read_csv(project / "plain.csv")
    plain.index = pd.Index([image.split("/")[-1] for image in plain["image"]])
    _agree(plain, answers)
    assert len(plain) == 2 * 90 + 1  # more than the 40 that are searched
    truth = [name.removeprefix("copy ")[0] for name in plain.index if name != "colour.png"]
    assert adjusted_rand_score(truth, plain["cluster"].drop("colour.png")) > 0.9

    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    gray = [path for path in files if path.name in plain.index and path.name != "colour.png"]
    registered = versions.load_model(MODEL)
    table = pd.DataFrame({"image": [path.read_bytes() for path in gray]})
    served = registered.predict(table, params={"together": True})
    served.index = pd.Index([path.name for path in gray])
    assert adjusted_rand_score(served["cluster"], answers["cluster"].loc[served.index]) == 1

    _every_bad_file_has_its_reason(found)
    assert f"made {len(plain)} images" in done.stdout
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


def _agree(plain: pd.DataFrame, spark: pd.DataFrame) -> None:
    """The command's answers and Spark's are the same, scores as far as the CSV file shows them."""
    spark = spark.loc[plain.index]
    for column in ("cluster", "generator", "known"):
        assert spark[column].tolist() == plain[column].tolist(), column
    np.testing.assert_allclose(spark["score"], plain["score"], rtol=0, atol=1e-4)
    assert (spark["error"] == "").all()


def _every_bad_file_has_its_reason(found: pd.DataFrame) -> None:
    errors = found.set_index("image")["error"]
    bad = found[found["path"].str.contains("/bad/")]
    assert (bad["cluster"] == -1).all() and (bad["score"] == 0).all() and not bad["known"].any()
    assert (bad["generator"] == "unknown").all()
    for name, reason in {
        "broken.png": "truncated or damaged",
        "notes.txt": "is no image that can be read",
        "size.png": f"has 80x80 pixels; .* most have {SIZE}x{SIZE}",
        "large.png": f"larger than {LARGEST} bytes",
        "unreadable.png": "cannot be read",
    }.items():
        assert re.search(reason, errors[name]), name


@needs_spark
def test_many_copies_of_few_images_and_a_given_number(project: Path) -> None:
    """Of the images drawn beforehand for the search too few are different: the others are asked."""
    save_model(_searching(model_of(0, 1), 15), project / "model-15")
    for generator in range(2):
        write_images(project / "copies" / "0", generator, 10, 9)
    for number in range(1, 8):
        shutil.copytree(project / "copies" / "0", project / "copies" / str(number))
    options = ("--clusters", "3", "--model", "model-15")
    spark = ganamis(
        project, "attribute-batch", "copies", "--out", "copies.parquet", *options,
        "--master", "local[2]",
    )  # fmt: skip
    assert spark.returncode == 0, spark.stderr
    assert ganamis(project, "attribute", "copies", "--out", "copies.csv", *options).returncode == 0
    found, plain = pd.read_parquet(project / "copies.parquet"), pd.read_csv(project / "copies.csv")
    found.index = pd.Index([path.split("/copies/")[1] for path in found["path"]])
    _agree(plain.set_index("image"), found)
    assert len(found) == 160 and found["cluster"].nunique() == 3
    assert "the model in 'model-15'" in spark.stdout


@needs_spark
def test_a_killed_run_leaves_no_result(project: Path, images: Path) -> None:
    out = project / "killed" / "attributed.parquet"
    process = subprocess.Popen(
        [sys.executable, "-m", "ganamis", "attribute-batch", str(images), "--out", str(out)],
        cwd=project,
        env=_environment(project),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 400
    while not list(out.parent.glob(".*/_temporary")):  # Spark has begun to write
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()


REFUSED = (
    ("empty", MODEL, "local[1]", "'empty' has no files; name the folder"),
    ("texts", "model", "local[1]", "no image could be read:\n  3 x is no image that can be read"),
    ("one", "model", "local[1]", "1 different images cannot be 2 clusters"),
    ("s3a://bucket/prefix", MODEL, "local[1]", r"cannot be listed .* \(docs/scaling.md\)"),
    ("one", "models:/ganamis@nobody", "local[1]", "models:/ganamis@nobody"),
    ("one", MODEL, "local[one", r"Spark did not start on master 'local\[one'"),
)
# One process for all: starting Java takes longer than refusing.
REFUSE = """
import json, sys
from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.params import load_params
from ganamis.stages.attribute_batch import attribute_batch
messages = []
for source, model, master, _ in json.loads(sys.argv[1]):
    try:
        attribute_batch(
            source,
            load_params(),
            out="refused.parquet",
            clusters="2",
            model=model,
            reading=Reading(),
            master=master,
        )
        messages.append("")
    except UserError as error:
        messages.append(str(error))
print(json.dumps(messages))
"""


@needs_spark
def test_what_spark_or_the_registry_refuses_is_one_message(project: Path) -> None:
    (project / "empty").mkdir()
    for number in range(3):
        write(project / "texts" / f"{number}.txt", "no image")
    write_images(project / "one", 0, 1, 3)
    done = subprocess.run(
        [sys.executable, "-c", REFUSE, json.dumps(REFUSED)],
        cwd=project,
        env=_environment(project),
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
    done = ganamis(project, "attribute-batch", ".", *options, JAVA_HOME=str(project))
    assert done.returncode == 2, done.stderr
    assert "needs Java 17" in done.stderr and "JAVA_HOME" in done.stderr


def test_missing_pyspark_is_explained_with_its_command(project: Path) -> None:
    code = "import sys; sys.modules['pyspark'] = None; from ganamis.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "attribute-batch", ".", "--out", "refused.parquet"],
        cwd=project,
        env=_environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'ganamis[spark]'" in done.stderr
