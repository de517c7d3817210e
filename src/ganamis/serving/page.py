"""The page at `/`: static files, and the two answers that it asks for.

The browser sends one ZIP, since images are answered together. It is kept in a passing file, and
requests are answered one at a time, so that memory is bounded. The browser draws the pictures from
the user's own files; nothing is kept when an answer is sent.
"""

import asyncio
import logging
import re
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

from ganamis.errors import UserError
from ganamis.report.parts import templates
from ganamis.serving.transport import (
    FAILED,
    JSON,
    App,
    Limits,
    Message,
    Receive,
    Refused,
    Send,
    check_kind,
    parts,
    refuse,
    respond,
)

ZIP, HTML, CSS, SCRIPT = b"application/zip", b"text/html", b"text/css", b"text/javascript"
OPTIONS = ("clusters", "window", "size", "axis")
VALUE = re.compile(r"[A-Za-z0-9.,-]{1,32}")
MIB = 2**20
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = b"sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SECURE = {
    b"content-security-policy": POLICY,
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
ANSWERS = {"/attribute": JSON, "/report": HTML}
logger = logging.getLogger(__name__)


class Answerer(Protocol):
    """Answers for a ZIP of images, all attributed together."""

    def answer(self, archive: Path, options: Mapping[str, str]) -> bytes:
        """The answer in JSON, for the page.

        Raises:
            UserError: the archive or an option cannot be used.
        """
        ...

    def report(self, archive: Path, options: Mapping[str, str]) -> bytes:
        """The same answer as an HTML file for keeping. Raises as `answer`."""
        ...


class Page:
    """ASGI middleware: the page and its answers; everything else goes to the application behind."""

    def __init__(self, app: App, answerer: Answerer, limits: Limits) -> None:
        self._app, self._answerer, self._limits = app, answerer, limits
        self._files = _files(limits)
        self._one = asyncio.Semaphore(1)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path not in {*self._files, *ANSWERS}:
            await self._app(scope, receive, send)
            return
        try:
            expected = "GET" if path in self._files else "POST"
            if scope["method"] != expected:
                raise Refused(405, f"use {expected}")
            if path in self._files:
                kind, body = self._files[path]
            else:
                kind, body = ANSWERS[path], await self._answer(scope, receive)
            headers = {**SECURE, b"content-type": kind + b"; charset=utf-8"}
            if path == "/report":
                headers |= {
                    b"content-security-policy": REPORT_POLICY,
                    b"content-disposition": b'attachment; filename="ganamis-report.html"',
                }
            await respond(send, body, headers)
        except Refused as refused:
            await refuse(send, refused)

    async def _answer(self, scope: Message, receive: Receive) -> bytes:
        options = read_options(scope.get("query_string", b""))
        check_kind(scope, ZIP)
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "images.zip"
            with archive.open("wb") as stream:
                async for part in parts(scope, receive, self._limits):
                    stream.write(part)
            report = scope["path"] == "/report"
            ask = self._answerer.report if report else self._answerer.answer
            async with self._one:
                try:
                    return await asyncio.to_thread(ask, archive, options)
                except UserError as error:
                    raise Refused(400, str(error)) from None
                except Exception:  # noqa: BLE001 - whatever it is, the caller learns nothing of it
                    logger.exception("answering the page failed")
                    raise Refused(500, FAILED) from None


def read_options(query: bytes) -> dict[str, str]:
    """What a query says; a refusal never quotes it.

    Raises:
        Refused: it says anything but the known options, once each, in letters, digits, `.,-`.
    """
    try:
        pairs = parse_qsl(
            query.decode("ascii"), strict_parsing=bool(query), errors="strict", max_num_fields=9
        )
    except ValueError:
        raise Refused(400, f"the query is malformed; it takes {', '.join(OPTIONS)}") from None
    options = dict(pairs)
    if len(options) != len(pairs) or not options.keys() <= set(OPTIONS):
        raise Refused(400, f"the query takes {', '.join(OPTIONS)}, once each")
    for name, value in options.items():
        if not VALUE.fullmatch(value):
            raise Refused(400, f"{name} is malformed; it takes letters, digits, '.', ',' and '-'")
    return options


def _files(limits: Limits) -> dict[str, tuple[bytes, bytes]]:
    """Path to content type and content."""
    static = files("ganamis.serving") / "static"
    look = (files("ganamis.report") / "page.css").read_bytes()
    page = templates("serving/static").get_template("page.html.j2").render(limits=limits, mib=MIB)
    return {
        "/": (HTML, page.encode()),
        "/page.css": (CSS, look + (static / "page.css").read_bytes()),
        "/page.js": (SCRIPT, (static / "page.js").read_bytes()),
        "/archive.js": (SCRIPT, (static / "archive.js").read_bytes()),
        "/drawing.js": (SCRIPT, (static / "drawing.js").read_bytes()),
    }
