"""MLflow's scoring server behind a guard, for callers who are not trusted.

MLflow's own answers to malformed requests quote the input and hold stack traces and paths. The
guard reads each request by one strict rule, hands MLflow a clean one, and replaces the body of
whatever is not an answer.
"""

import asyncio
import json
import logging
from typing import Any

from ganamis.data.prefetch import CORES
from ganamis.serving.gathering import Gatherer, Rows
from ganamis.serving.page import Answerer, Page
from ganamis.serving.requests import Request, RequestError, canonical, read_request
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

METHODS = {"/invocations": "POST", "/ping": "GET", "/health": "GET", "/version": "GET"}
SMALL = 2**17  # bytes of a request that is read at once
# Our own request to MLflow's application, whoever's images it holds.
SCORING: Message = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/invocations",
    "raw_path": b"/invocations",
    "root_path": "",
    "query_string": b"",
    "client": ("127.0.0.1", 0),
    "server": ("127.0.0.1", 0),
}
logger = logging.getLogger(__name__)


class Guard:
    """ASGI middleware: a request MLflow can read, or a short refusal.

    Requests for single images that arrive together go to MLflow as one.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._gatherer = Gatherer(self._alone, most=limits.images, calls=CORES)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._http(scope, receive, send)
            except Refused as refused:
                await refuse(send, refused)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        method = METHODS.get(scope["path"])
        if method is None:
            raise Refused(404, f"there are {', '.join(METHODS)}")
        if scope["method"] != method:
            raise Refused(405, f"use {method}")
        if method == "GET":
            for message in await self._ask(scope, b""):
                await send(message)
            return
        request = await self._request(scope, receive)
        if request.together:
            rows = await self._scored(request)
        else:
            rows = await self._gatherer.ask(request.images)
        await respond(send, json.dumps({"predictions": rows}).encode(), {b"content-type": JSON})

    async def _request(self, scope: Message, receive: Receive) -> Request:
        check_kind(scope, JSON)
        raw = b"".join([part async for part in parts(scope, receive, self._limits)])
        try:
            if len(raw) <= SMALL:  # a thread costs more
                return read_request(raw, most=self._limits.images)
            return await asyncio.to_thread(read_request, raw, most=self._limits.images)
        except RequestError as error:
            raise Refused(400, str(error)) from None

    async def _alone(self, images: tuple[str, ...]) -> Rows:
        return await self._scored(Request(images))

    async def _scored(self, request: Request) -> Rows:
        """MLflow's rows; where it fails, that is said and nothing else."""
        body = await asyncio.to_thread(canonical, request)
        answer = await self._ask(SCORING, body)
        told = b"".join(message.get("body", b"") for message in answer[1:])
        rows = json.loads(told)["predictions"]
        if len(rows) != len(request.images):
            logger.error("scoring gave %d rows for %d images", len(rows), len(request.images))
            raise Refused(500, FAILED)
        return rows

    async def _ask(self, scope: Message, body: bytes) -> list[Message]:
        """What MLflow answers."""
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
            raise Refused(500, FAILED) from None
        status = answer[0]["status"] if answer else 500
        if status >= 400:
            logger.error("scoring answered %d", status)
            raise Refused(status, FAILED)
        return answer


def limits_of(model: Any) -> Limits:
    """The limits that were registered with a loaded model."""
    config = model.model_config
    return Limits(**{key: int(config[key]) for key in Limits.__dataclass_fields__})


def guarded(model: Any, answerer: Answerer | None = None) -> App:
    """MLflow's scoring application of a loaded model, behind the guard, with the model's limits.

    Args:
        answerer: answers what the page sends; without one there is no page.
    """
    from mlflow.pyfunc import scoring_server

    limits = limits_of(model)
    guard = Guard(scoring_server.init(model), limits)
    return guard if answerer is None else Page(guard, answerer, limits)
