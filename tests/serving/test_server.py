"""The served model behind a real server: right answers, and nothing else for malformed requests."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from tests.builders import PARAMS, encode, noise
from tests.serving.tiny_model import (
    MARK,
    good_image,
    malformed,
    register_champion,
    request,
    tiny_model,
)

ROOT = Path(__file__).parents[2]
HEADERS = {"Content-Type": "application/json"}
REQUESTS = int(os.environ.get("GANAMIS_FUZZ", "400"))
FORMS = ("dataframe_records", "dataframe_split", "inputs", "instances")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    register_champion(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    command = [sys.executable, "-m", "ganamis", "serve", "--port", str(port)]
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        [*command, "--model", "models:/ganamis@champion"],
        cwd=folder,
        env=clean,
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not _is_up(url):
            assert process.poll() is None and time.monotonic() < deadline, (
                folder / "server.log"
            ).read_text()
            time.sleep(0.2)
        yield url
        assert process.poll() is None, "the server died"
    finally:
        process.terminate()
        process.wait()
        log.close()


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/ping", timeout=2).status_code == 200
    except requests.ConnectionError:
        return False


def ask(url: str, body: bytes, headers: dict[str, str] = HEADERS) -> requests.Response:
    return requests.post(f"{url}/invocations", data=body, headers=headers, timeout=30)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_answers(server: str, form: str) -> None:
    images = [good_image(seed) for seed in range(3)]
    answer = ask(server, request(images, form))
    assert answer.status_code == 200
    rows = answer.json()["predictions"]
    assert [row["generator"] for row in rows] == ["gan0", "gan1", "gan2"]
    assert all(0 <= row["score"] <= 1 and row["known"] and not row["error"] for row in rows)


def test_a_bad_image_spoils_its_own_row_only(server: str) -> None:
    jpeg = encode(noise(7, size=64), kind="JPEG", quality=95)
    answer = ask(server, request([good_image(1), b"broken", jpeg, good_image(2)]))
    rows = answer.json()["predictions"]
    assert [bool(row["error"]) for row in rows] == [False, True, False, False]
    assert rows[1]["cluster"] == -1 and not rows[1]["known"] and rows[1]["score"] == 0
    assert [rows[0]["generator"], rows[3]["generator"]] == ["gan1", "gan2"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("clusters", [0, 2])
def test_a_folder_together_is_answered_as_the_model_itself_does(
    server: str, form: str, clusters: int
) -> None:
    images = [good_image(seed) for seed in range(40, 58)]
    params = {"together": True, "clusters": clusters}
    answer = ask(server, request([*images, b"broken"], form, params=params))
    assert answer.status_code == 200
    *rows, last = answer.json()["predictions"]
    model = tiny_model()
    batch = model.embed(np.stack([np.asarray(Image.open(io.BytesIO(i))) for i in images]))
    found = model.together(batch, clusters=clusters or None)
    assert [row["cluster"] for row in rows] == found.labels.tolist()
    assert [row["generator"] for row in rows] == found.names.tolist()
    assert [row["known"] for row in rows] == found.known.tolist()
    assert [row["score"] for row in rows] == pytest.approx(found.scores.tolist())
    assert last["cluster"] == -1 and last["error"]


def test_parameters_left_out_mean_one_image_at_a_time(server: str) -> None:
    images = [good_image(seed) for seed in range(4)]
    expected = ask(server, request(images)).json()
    for params in ({}, {"together": False}, {"clusters": 0}):
        assert ask(server, request(images, params=params)).json() == expected


@pytest.mark.parametrize(
    "params",
    [
        *(None, [], "together", 1, {"clusters": 2}, {"together": False, "clusters": 2}),
        *({"together": 1}, {"together": "true"}, {"together": None}, {MARK: True}),
        *({"together": True, "clusters": wrong} for wrong in (-1, 3, 10**30, 1.0, "2", True, None)),
        {"together": True, "clusters": 2, MARK: 0},
    ],
    ids=repr,
)
def test_wrong_parameters_are_refused(server: str, params: object) -> None:
    answer = ask(server, request([good_image(0), good_image(1)], params=params))
    assert answer.status_code == 400 and "params" in answer.json()["message"]
    assert MARK not in answer.text


def test_too_much_is_refused(server: str) -> None:
    assert ask(server, bytes(PARAMS.serve.largest_request + 1)).status_code == 413
    many = ask(server, request([good_image(0)] * (PARAMS.serve.images + 1)))
    assert (
        many.status_code == 400 and f"1 to {PARAMS.serve.images} images" in many.json()["message"]
    )
    large = ask(server, request([good_image(0) + bytes(PARAMS.serve.largest_file)]))
    assert "at most" in large.json()["predictions"][0]["error"]
    assert requests.get(f"{server}/docs", timeout=9).status_code == 404


def test_malformed_requests_learn_nothing_and_break_nothing(server: str) -> None:
    """GANAMIS_FUZZ=2000 sends more of them."""
    expected = ask(server, request([good_image(1)])).json()
    counts: dict[int, int] = {}
    for body, headers in malformed(REQUESTS, seed=PARAMS.seed):
        answer = ask(server, body, headers)
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 400, 415), (answer.status_code, body[:80])
        for leak in (MARK, "Traceback", ".py", str(ROOT), "/tmp", "site-packages"):
            assert leak not in answer.text, (leak, body[:80])
        assert len(answer.content) < 1000
        if answer.status_code == 200:
            assert set(json.loads(answer.text)) == {"predictions"}
    print(counts)
    assert counts[200] and counts[400] and counts[415]
    assert ask(server, request([good_image(1)])).json() == expected
