"""MLflow's scoring server behind a guard, for callers who are not trusted.

MLflow's own answers to malformed requests quote the input and hold stack traces and paths. The
guard reads each request by one strict rule, hands MLflow a clean one, and replaces the body of
whatever is not an answer.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from ganamis.serving.requests import RequestError, canonical, read_request

METHODS = {"/invocations": "POST", "/ping": "GET", "/health": "GET", "/version": "GET"}
JSON = b"application/json"
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
logger = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is answered by a status and one sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """largest_request: bytes. images: in one request. seconds: a request may take to arrive."""

    largest_request: int
    images: int
    seconds: int


class Guard:
    """ASGI middleware: a request MLflow can read, or a short refusal."""

    def __init__(self, app: App, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                body = await self._body(scope, receive)
                await self._answer(scope, body, send)
            except Refused as refused:
                await _refuse(send, refused)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _body(self, scope: Message, receive: Receive) -> bytes:
        """The request's body, in canonical form."""
        method = METHODS.get(scope["path"])
        if method is None:
            raise Refused(404, f"there are {', '.join(METHODS)}")
        if scope["method"] != method:
            raise Refused(405, f"use {method}")
        if method == "GET":
            return b""
        headers = dict(scope["headers"])
        kind, _, parameter = headers.get(b"content-type", b"").lower().partition(b";")
        if kind.strip() != JSON or parameter.strip() not in (b"", b"charset=utf-8"):
            raise Refused(415, "send Content-Type: application/json")
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > self._limits.largest_request:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.seconds):
                raw = await self._read(receive)
        except TimeoutError:
            raise Refused(408, f"the request took over {self._limits.seconds} s") from None
        try:
            request = await asyncio.to_thread(read_request, raw, most=self._limits.images)
        except RequestError as error:
            raise Refused(400, str(error)) from None
        return await asyncio.to_thread(canonical, request)

    async def _read(self, receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the request ended early")
            part = message.get("body", b"")
            size += len(part)
            if size > self._limits.largest_request:
                raise self._too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> Refused:
        return Refused(413, f"a request has at most {self._limits.largest_request} bytes")

    async def _answer(self, scope: Message, body: bytes, send: Send) -> None:
        """Let MLflow answer; where it fails, say so and nothing else."""
        answer: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            answer.append(message)

        headers = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
        try:
            await self._app({**scope, "headers": headers}, receive, keep)
        except Exception:  # noqa: BLE001 - whatever it is, the caller learns nothing of it
            logger.exception("scoring failed")
            raise Refused(500, "the model failed; the server's log says why") from None
        status = answer[0]["status"] if answer else 500
        if status >= 400:
            logger.error("scoring answered %d", status)
            raise Refused(status, "the model failed; the server's log says why")
        for message in answer:
            await send(message)


async def _refuse(send: Send, refused: Refused) -> None:
    body = json.dumps({"error_code": refused.status, "message": str(refused)}).encode()
    headers = [
        (b"content-type", JSON),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # what is left of a refused body is not read
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def guarded(model: Any) -> App:
    """MLflow's scoring application of a loaded model, behind the guard, with the model's limits."""
    from mlflow.pyfunc import scoring_server

    config = model.model_config
    limits = Limits(**{key: int(config[key]) for key in Limits.__dataclass_fields__})
    return Guard(scoring_server.init(model), limits)
