"""A real browser, and a store in which the real pipeline has trained six extractors, tiny."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.test_pipeline import ROOT, tiny_params, write_data

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
ARCHITECTURES = [
    "custom_cnn_paper",
    "mobilenetv2_fingerprint",
    "custom_cnn_fingerprint",
    "spectrum",
    "residual_network",
    "fusion",
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1900,1200",
)
TRAINED_TOGETHER = (ARCHITECTURES[:3], ARCHITECTURES[3:])
# Few processes: importing TensorFlow and MLflow takes longer than tiny training.
BEFORE = """
from pathlib import Path
from ganamis.tracking import runs
from ganamis.params import load_params
from ganamis.stages.data import import_folder, ingest
import_folder(Path("source"), load_params())
ingest(load_params())
runs.connect()  # two processes that create one store at once would fail
"""
TRAIN = """
import sys
from ganamis.params import load_params
from ganamis.stages.train import train
for architecture in sys.argv[1:]:
    train(architecture, load_params())
"""
AFTER = """
from ganamis.params import load_params
from ganamis.stages.cluster import cluster
from ganamis.stages.promote import promote
from ganamis.stages.register import register
from ganamis.stages.report import report
from ganamis.stages.select import select
for stage in (cluster, select, register, promote, report):
    stage(load_params())
"""


def _params() -> dict:
    params = tiny_params()
    params["architectures"] = ARCHITECTURES
    params["model"]["baselines"]["largest"] = 4
    profile = params["profiles"]["two_cores"]
    profile["search"] |= {"trials": 1}
    profile["fingerprint"] |= {"trials": 1}
    profile["training"] |= {"epochs": 1, "search_epochs": 1, "batch_size": 16}
    profile["degradations"] = ["jpeg75", "noise3"]
    profile["extractors"]["custom_cnn_paper"] = {"weights": "none", "crop": 32}
    profile["extractors"]["custom_cnn_fingerprint"] = {
        "weights": "none",
        "depths": [2],
        "crops": [32],
    }
    for name in ("residual_network", "fusion"):
        numbers = profile["extractors"][name]
        profile["extractors"][name] = {**numbers, "crop": 32, "steps": 5, "search_steps": 5}
    return params


def _environment() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return clean | {
        "PYTHONPATH": str(ROOT / "src"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",  # on so few images more threads only wait for each other
    }


def _run(folder: Path, *commands: list[str]) -> None:
    """Run commands side by side in `folder`."""
    running = [
        subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands
    ]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "".join(outputs)


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window; the driver is the one at hand and nothing is downloaded."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium or chromedriver is not installed (Debian: chromium chromium-driver)")
    options = Options()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def project(browser: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of a pipeline that has run once; built only where there is a browser."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "params.yaml").write_text(yaml.safe_dump(_params(), sort_keys=False))
    write_data(folder / "source", per_generator=8)
    _run(folder, ["git", "init", "-q"])
    _run(folder, [sys.executable, "-m", "dvc", "init", "-q"])
    _run(folder, [sys.executable, "-c", BEFORE])
    _run(folder, *([sys.executable, "-c", TRAIN, *names] for names in TRAINED_TOGETHER))
    _run(folder, [sys.executable, "-c", AFTER])
    return folder


@pytest.fixture(scope="session")
def address(project: Path) -> Iterator[str]:
    """The address of an MLflow server on the project's store, started as `make ui` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"sqlite:///{project / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--backend-store-uri", store],
        cwd=project,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/health", server)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _wait_for(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, "the MLflow server ended"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError("the MLflow server did not answer")
