"""docs/team.md as it stands: two clones, a real MLflow server, PostgreSQL and S3 endpoint."""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
import requests
import yaml

from ganamis.files import read_json
from tests.postgres import programs, running
from tests.test_pipeline import ROOT, tiny_params, write_data

PAGE = (ROOT / "docs" / "team.md").read_text(encoding="utf-8")
BUCKET = "ganamis"
SECRET = "a team's secret"
pytestmark = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL is not installed (Debian: apt install postgresql)"
)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def serving(
    command: list[str], folder: Path, environment: dict[str, str], *, ready: str
) -> Iterator[None]:
    """A server in `folder`, once `ready` answers; its log is what a failure shows."""
    log = folder / f"{free_port()}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=stream
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            try:
                if requests.get(ready, timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


@dataclass(frozen=True)
class Team:
    """environment: what each member sets. shared: the git repository that all push to."""

    environment: dict[str, str]
    shared: Path

    def run(self, folder: Path, script: str, **extra: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=self.environment | extra,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, script + done.stdout + done.stderr
        return done.stdout + done.stderr

    def clone(self, folder: Path) -> Path:
        self.run(folder.parent, f"git clone -q {self.shared} {folder}")
        return folder


def environment() -> dict[str, str]:
    """What a member's shell has: the project's programs, and a name for git."""
    foreign = ("MLFLOW_", "AWS_", "GANAMIS_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return {
        **clean,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}",
        "GIT_AUTHOR_NAME": "member",
        "GIT_AUTHOR_EMAIL": "member@team.example",
        "GIT_COMMITTER_NAME": "member",
        "GIT_COMMITTER_EMAIL": "member@team.example",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "OMP_NUM_THREADS": "1",
        "AWS_ACCESS_KEY_ID": "team",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def bucket(store: str) -> Any:
    return boto3.resource(
        "s3",
        endpoint_url=store,
        aws_access_key_id="team",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    ).Bucket(BUCKET)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    root = tmp_path_factory.mktemp("team")
    ports = free_port(), free_port()
    store, tracking = (f"http://127.0.0.1:{port}" for port in ports)
    ours = environment() | {"AWS_ENDPOINT_URL": store}
    moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(ports[0])]
    mlflow = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(ports[1])]
    mlflow += ["--artifacts-destination", f"s3://{BUCKET}/mlflow", "--backend-store-uri"]
    with running() as database, serving(moto, root, ours, ready=store):
        bucket(store).create()
        address = database.create("tracking")
        with serving([*mlflow, address], root, ours, ready=f"{tracking}/health"):
            ours |= {"MLFLOW_TRACKING_URI": tracking, "GANAMIS_PROMOTION_LOCK": address}
            made = Team(ours, root / "shared.git")
            make_shared(made, root / "made")
            yield made


def make_shared(team: Team, folder: Path) -> None:
    """The repository that all clone: the project's, with tiny numbers."""
    folder.mkdir()
    for name in ("dvc.yaml", "MLproject", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("config", ".gitignore"):
        (folder / ".dvc").mkdir(exist_ok=True)
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    params = tiny_params() | {"architectures": ["spectrum"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    team.run(folder, "git init -q -b main && git add . && git commit -qm Project")
    team.run(folder, f"git clone -q --bare . {team.shared}")


def block(heading: str) -> list[str]:
    """The blocks of commands that are to be run in the section of a heading's first words."""
    section = PAGE.partition(f"\n## {heading}")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def first(team: Team) -> Path:
    """The clone of who trained and registered."""
    folder = team.clone(team.shared.with_name("first"))
    write_data(team.shared.with_name("data"))
    (commands,) = block("One trains")
    team.run(folder, commands, DATA=str(team.shared.with_name("data")))
    return folder


@pytest.fixture(scope="module")
def second(team: Team, first: Path) -> Path:
    """The clone of who pulled, promoted and attributed."""
    folder = team.clone(team.shared.with_name("second"))
    team.run(folder, block("Another looks")[0])
    return folder


def test_both_clones_hold_the_same_bytes(first: Path, second: Path) -> None:
    lock = yaml.safe_load((second / "dvc.lock").read_text())
    assert set(lock["stages"]) >= {"ingest", "train@spectrum", "cluster", "select", "register"}
    for name in ("results/train/spectrum/embeddings.npz", "results/register/version.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    (data,) = yaml.safe_load((second / "data" / "imported.dvc").read_text())["outs"]
    ingested = read_json(second / "results/ingest/summary.json", stage="ingest")
    assert ingested["data_digest"] == data["md5"]


def test_everything_lies_in_the_store_and_nothing_on_one_machine(
    team: Team, first: Path, second: Path
) -> None:
    keys = [each.key for each in bucket(team.environment["AWS_ENDPOINT_URL"]).objects.all()]
    assert any(key.startswith("dvc/files/md5/") for key in keys)
    assert any(key.startswith("mlflow/") and key.endswith("open_world.csv") for key in keys)
    assert any(key.startswith("mlflow/") and key.endswith("model.json") for key in keys)
    for folder in (first, second):
        assert not (folder / "mlflow.db").exists() and not (folder / "mlruns").exists()


def test_the_second_promoted_what_the_first_registered(team: Team, second: Path) -> None:
    decision = read_json(second / "results/promote/decision.json", stage="promote")
    assert decision["promoted"] and decision["champion"] is None
    address = team.environment["MLFLOW_TRACKING_URI"]
    ask = f"{address}/api/2.0/mlflow/registered-models/alias?name=ganamis&alias=champion"
    version = requests.get(ask, timeout=30).json()["model_version"]
    assert int(version["version"]) == decision["challenger"]
    assert version["run_id"] == decision["challenger_run"]
    answered = pd.read_csv(second / "clusters.csv")
    assert len(answered) == 36 and answered["known"].any()


def test_the_champion_is_served_in_a_clone_that_never_trained(team: Team, second: Path) -> None:
    port = str(free_port())
    command = block("Another looks")[1].replace("5002", port).split()
    url = f"http://127.0.0.1:{port}"
    with serving(command, second, team.environment, ready=f"{url}/ping"):
        sent = io.BytesIO()
        with zipfile.ZipFile(sent, "w") as archive:
            for path in sorted((second / "data/imported/test").glob("*.png")):
                archive.write(path, path.name)
        kind = {"Content-Type": "application/zip"}
        answer = requests.post(f"{url}/attribute", data=sent.getvalue(), headers=kind, timeout=60)
    served = pd.read_csv(io.StringIO(answer.json()["csv"]))
    pd.testing.assert_frame_equal(served, pd.read_csv(second / "clusters.csv"))


def test_the_containers_are_told_what_the_page_tells() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    command = compose["services"]["tracking"]["command"][-1]
    pinned = re.search(r"^mlflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned and f"mlflow=={pinned[1]}" in command
    for option in ("--backend-store-uri", "--artifacts-destination s3://ganamis/mlflow"):
        assert option in command and option in PAGE
