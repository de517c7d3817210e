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
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from ganamis.params import load_params
from ganamis.registry.versions import load_model
from ganamis.tracking.runs import connect

MODEL = "models:/ganamis@champion"
CLIENTS, SECONDS = (1, 8), 10
HEADERS = {"Content-Type": "application/json"}


def body(images: list[bytes]) -> bytes:
    rows = [{"image": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"dataframe_records": rows}).encode()


class Server:
    """`ganamis serve` on a free port, until the block ends."""

    def __enter__(self) -> "Server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        begun = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "ganamis",
            "serve",
            "--model",
            MODEL,
            "--port",
            str(self.port),
        ]
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
            connection = self.connection()
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=60)

    @property
    def busy(self) -> float:
        """Seconds of processors that the server has taken: what others' work does not change."""
        times = self.process.cpu_times()
        return times.user + times.system

    @property
    def memory(self) -> float:
        """Resident MiB of the server and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family) / 2**20


def post(connection: HTTPConnection, content: bytes) -> float:
    """Seconds that one request took."""
    begun = time.perf_counter()
    connection.request("POST", "/invocations", body=content, headers=HEADERS)
    answer = connection.getresponse()
    told = answer.read()
    assert answer.status == 200, told
    return time.perf_counter() - begun


def show(name: str, seconds: list[float], images: int = 1) -> float:
    """Print quantiles; return images per second."""
    low, high = np.quantile(seconds, [0.5, 0.95]) * 1000
    rate = images / float(np.mean(seconds))
    print(f"{name:<38} p50 {low:7.1f} ms   p95 {high:7.1f} ms   {rate:6.0f} images/s")
    return rate


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


def client(server: Server, contents: list[bytes], until: float) -> list[float]:
    times = []
    connection = server.connection()
    while time.perf_counter() < until:
        times.append(post(connection, contents[len(times) % len(contents)]))
    return times


def clients(server: Server, contents: list[bytes], count: int, seconds: float) -> float:
    """Images per second that so many clients get, one image in each request."""
    until, before = time.perf_counter() + seconds, server.busy
    with ThreadPoolExecutor(count) as pool:
        times = sum(pool.map(lambda _: client(server, contents, until), range(count)), [])
    low, high = np.quantile(times, [0.5, 0.95]) * 1000
    rate = len(times) / seconds
    name = f"{count} clients, one image a request"
    print(f"{name:<38} p50 {low:7.1f} ms   p95 {high:7.1f} ms   {rate:6.0f} images/s", end="")
    print(f"   {1000 * (server.busy - before) / len(times):.1f} ms of the server's cores each")
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="Of the memory test.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="That clients ask.")
    given = parser.parse_args()
    root = Path(load_params().data.root)
    images = [path.read_bytes() for path in sorted((root / "test").glob("*.png"))[:64]]
    singles = [body([image]) for image in images]
    connect()
    one = show("one image, predict in this process", plain(images[:1], 100))
    many = show("64 images, predict in this process", plain(images, 15), len(images))
    with Server() as server:
        print(f"start-up {server.started:.1f} s")
        connection = server.connection()
        show("64 images in a request", [post(connection, body(images)) for _ in range(15)], 64)
        for count in CLIENTS:
            rate = clients(server, singles, count, given.seconds)
            print(f"  {rate / one:.2f} of predict one by one, {rate / many:.2f} of 64 at once")
        before, connection = server.memory, server.connection()  # idle ones are closed
        for index in range(given.requests):
            post(connection, singles[index % len(singles)])
        print(f"memory {before:.0f} MiB, {server.memory:.0f} after {given.requests} more requests")


if __name__ == "__main__":
    main()
