"""A real PostgreSQL server of the test's own, from Debian's package or from PATH."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

USER = "ganamis"


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, or None where PostgreSQL is not installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = shutil.which("initdb")
    return places[0].parent if places else Path(found).parent if found else None


def _unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root: the arguments that give its processes another user."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


@dataclass
class Server:
    """A server in its own folder, on a free port of the loopback address."""

    programs: Path
    folder: Path
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen | None = None

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secret = self.folder / "password"
        secret.write_text(self.password)
        given = _unprivileged()
        if given:
            for path in (self.folder, secret):
                shutil.chown(path, given["user"], given["group"])
        command = [self.programs / "initdb", "--no-sync", "-U", USER, "-D", self.folder / "data"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}"]
        subprocess.run(command, check=True, capture_output=True, **given)

    def url(self, database: str = "postgres", *, password: str | None = None) -> str:
        """Its address for Optuna, with the password."""
        secret = self.password if password is None else password
        return f"postgresql+psycopg://{USER}:{secret}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.url(database).replace("+psycopg", ""), autocommit=True)

    def create(self, database: str) -> str:
        """Create an empty database; return its address."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def start(self) -> None:
        command = [self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        command += ["-h", "127.0.0.1", "-k", self.folder, "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_unprivileged())
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "PostgreSQL did not start"
                time.sleep(0.1)

    def stop(self) -> None:
        """At once, as when the machine fails."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@contextmanager
def running() -> Iterator[Server]:
    """Start a server; stop it and delete its folder at the end."""
    place = programs()
    assert place is not None
    folder = Path(tempfile.mkdtemp(prefix="ganamis-postgres-"))
    server = Server(place, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
