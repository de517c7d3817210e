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
from tests.data.medical import IDENTIFIER, SECRET
from tests.serving.archives import MARKUP, ZIP, archive, damaged, good_archive
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
PERSON = (SECRET, IDENTIFIER)  # in the headers of DICOM and NIfTI files that are sent
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
        for leak in (MARK, "Traceback", ".py", str(ROOT), "/tmp", "site-packages", *PERSON):
            assert leak not in answer.text, (leak, body[:80])
        assert len(answer.content) < 1000
        if answer.status_code == 200:
            assert set(json.loads(answer.text)) == {"predictions"}
    print(counts)
    assert counts[200] and counts[400] and counts[415]
    assert ask(server, request([good_image(1)])).json() == expected


def test_the_page_is_there_with_a_strict_policy(server: str) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/archive.js", "text/javascript"),
        ("/drawing.js", "text/javascript"),
    ):
        answer = requests.get(f"{server}{path}", timeout=9)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "http://" not in answer.text and "https://" not in answer.text
    assert requests.post(f"{server}/", timeout=9).status_code == 405
    assert requests.get(f"{server}/attribute", timeout=9).status_code == 405


@pytest.mark.parametrize("clusters", [None, 2])
def test_the_page_is_answered_as_the_model_itself_does(server: str, clusters: int | None) -> None:
    content = {f"{number:02}.png": good_image(number) for number in range(40, 58)}
    query = "" if clusters is None else f"?clusters={clusters}"
    sent = archive({**content, "notes.txt": b"no image"})
    answer = requests.post(f"{server}/attribute{query}", data=sent, headers=ZIP, timeout=60)
    assert answer.status_code == 200
    told = answer.json()
    images = [np.asarray(Image.open(io.BytesIO(image))) for image in content.values()]
    model = tiny_model()
    found = model.together(model.embed(np.stack(images)), clusters=clusters)
    assert [image["path"] for image in told["images"]] == list(content)
    assert [image["cluster"] for image in told["images"]] == found.labels.tolist()
    assert [each["name"] for each in told["clusters"]] == [each.name for each in found.clusters]
    assert told["given"] == (clusters is not None) and told["size"] == "64x64"
    assert [path for path, _ in told["skipped"]] == ["notes.txt"]
    assert told["csv"].splitlines()[0] == "image,cluster,generator,known,score"
    assert len(told["csv"].splitlines()) == 19


def test_the_page_s_report_is_sent_as_a_file_that_may_do_nothing(server: str) -> None:
    sent = archive({f"{MARKUP}{number}.png": good_image(number) for number in range(12)})
    answer = requests.post(f"{server}/report", data=sent, headers=ZIP, timeout=120)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "behind these 12 images" in answer.text
    assert MARKUP not in answer.text and "&lt;img src=x" in answer.text


def test_the_page_s_limits_are_those_of_the_api(server: str) -> None:
    def post(body: bytes) -> requests.Response:
        return requests.post(f"{server}/attribute", data=body, headers=ZIP, timeout=60)

    assert post(bytes(PARAMS.serve.largest_request + 1)).status_code == 413
    small = good_image(0)
    many = post(archive({f"{n}.png": small for n in range(PARAMS.serve.images + 1)}))
    assert many.status_code == 400
    assert f"1 to {PARAMS.serve.images} images" in many.json()["message"]
    large = archive({"a.png": small + bytes(PARAMS.serve.largest_file), "b.png": small})
    assert post(large).json()["skipped"][0][1].endswith(f"{PARAMS.serve.largest_file} are read")


def test_damaged_archives_learn_nothing_and_break_nothing(server: str) -> None:
    """GANAMIS_FUZZ=2000 sends more of them."""

    def post(path: str, body: bytes, query: str, headers: dict[str, str]) -> requests.Response:
        return requests.post(f"{server}{path}?{query}", data=body, headers=headers, timeout=60)

    expected = post("/attribute", good_archive(6), "", ZIP).json()
    counts: dict[int, int] = {}
    for number, (body, query, headers) in enumerate(damaged(REQUESTS, seed=PARAMS.seed)):
        answer = post("/report" if number % 50 == 3 else "/attribute", body, query, headers)
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 400, 413, 415), (answer.status_code, number)
        for leak in ("Traceback", '.py"', str(ROOT), "/tmp", "site-packages", *PERSON):
            assert leak not in answer.text, (leak, number)
        if answer.headers["Content-Type"].startswith("text/html"):
            assert MARKUP not in answer.text
        else:
            assert answer.headers["Content-Type"].startswith("application/json")
    print(counts)
    assert counts[200] and counts[400] and counts[415]
    assert post("/attribute", good_archive(6), "", ZIP).json() == expected
