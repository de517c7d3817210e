"""The served model behind a real server: right answers, and nothing else for malformed requests."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.builders import PARAMS, encode, noise
from tests.serving.tiny_model import MARK, good_image, malformed, register_champion, request

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
    assert all(0 <= row["score"] <= 1 and not row["unknown"] and not row["error"] for row in rows)


def test_a_bad_image_spoils_its_own_row_only(server: str) -> None:
    jpeg = encode(noise(7, size=64), kind="JPEG", quality=95)
    answer = ask(server, request([good_image(1), b"broken", jpeg, good_image(2)]))
    rows = answer.json()["predictions"]
    assert [bool(row["error"]) for row in rows] == [False, True, False, False]
    assert rows[1]["cluster"] == -1 and rows[1]["unknown"] and rows[1]["score"] == 0
    assert [rows[0]["generator"], rows[3]["generator"]] == ["gan1", "gan2"]


def test_too_much_is_refused(server: str) -> None:
    assert ask(server, bytes(PARAMS.serve.largest_request + 1)).status_code == 413
    many = ask(server, request([good_image(0)] * (PARAMS.serve.images + 1)))
    assert many.status_code == 400 and "1 to 256 images" in many.json()["message"]
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
