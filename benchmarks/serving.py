"""The champion behind `ganamis serve`: start-up, latency, throughput, memory; beside `predict`.

Run `python benchmarks/serving.py` where `make run` has finished (`--requests` for the memory test).
"""

import argparse
import base64
import json
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import requests

from ganamis.params import load_params
from ganamis.registry.versions import load_model
from ganamis.tracking.runs import connect

MODEL = "models:/ganamis@champion"
CLIENTS, SECONDS = 4, 20


def body(images: list[bytes]) -> bytes:
    rows = [{"image": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"dataframe_records": rows}).encode()


class Server:
    """`ganamis serve` on a free port, until the block ends."""

    def __enter__(self) -> "Server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        begun = time.perf_counter()
        command = [sys.executable, "-m", "ganamis", "serve", "--model", MODEL, "--port", str(port)]
        self.process = psutil.Popen(command, stdout=subprocess.DEVNULL)
        while not self._is_up():
            assert self.process.poll() is None, "the server did not start"
            time.sleep(0.05)
        self.started = time.perf_counter() - begun
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def _is_up(self) -> bool:
        try:
            return requests.get(f"{self._url}/ping", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False

    def post(self, content: bytes, session: requests.Session) -> float:
        """Seconds that one request took."""
        begun = time.perf_counter()
        headers = {"Content-Type": "application/json"}
        answer = session.post(f"{self._url}/invocations", data=content, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return time.perf_counter() - begun

    @property
    def memory(self) -> float:
        """Resident MiB of the server and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family) / 2**20


def show(name: str, seconds: list[float]) -> None:
    low, high = np.quantile(seconds, [0.5, 0.95]) * 1000
    print(f"{name:<42} p50 {low:7.1f} ms   p95 {high:7.1f} ms")


def plain(images: list[bytes], repeats: int) -> list[float]:
    """Seconds of `predict` in this process."""
    model = load_model(MODEL)
    table = pd.DataFrame({"image": images})
    times = []
    for _ in range(repeats + 3):
        begun = time.perf_counter()
        model.predict(table)
        times.append(time.perf_counter() - begun)
    return times[3:]


def client(server: Server, contents: list[bytes], until: float) -> int:
    done = 0
    with requests.Session() as session:
        while time.perf_counter() < until:
            server.post(contents[done % len(contents)], session)
            done += 1
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    wanted = parser.parse_args().requests
    root = Path(load_params().data.root)
    images = [path.read_bytes() for path in sorted((root / "test").glob("*.png"))[:64]]
    singles = [body([image]) for image in images]
    connect()
    with Server() as server, requests.Session() as session:
        print(f"start-up {server.started:.1f} s")
        for content in singles[:10]:
            server.post(content, session)
        show("one image", [server.post(singles[i % len(singles)], session) for i in range(200)])
        show("one image, predict in this process", plain(images[:1], 200))
        show("64 images", [server.post(body(images), session) for _ in range(30)])
        show("64 images, predict in this process", plain(images, 30))
        until = time.perf_counter() + SECONDS
        with ThreadPoolExecutor(CLIENTS) as pool:
            done = list(pool.map(lambda _: client(server, singles, until), range(CLIENTS)))
        print(f"{CLIENTS} clients: {sum(done) / SECONDS:.0f} images/s, one in each request")
        done_before, before = sum(done), server.memory
        for index in range(wanted):
            server.post(singles[index % len(singles)], session)
        print(
            f"memory {before:.0f} MiB after {done_before + 240} requests, "
            f"{server.memory:.0f} MiB after {wanted} more"
        )


if __name__ == "__main__":
    main()
