"""MLflow's scoring server behind a guard, for callers who are not trusted.

MLflow's own answers to malformed requests quote the input and hold stack traces and paths. The
guard reads each request by one strict rule, hands MLflow a clean one, and replaces the body of
whatever is not an answer.
"""

import asyncio
import logging
from typing import Any

from ganamis.serving.page import Answerer, Page
from ganamis.serving.requests import RequestError, canonical, read_request
from ganamis.serving.transport import (
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
)

METHODS = {"/invocations": "POST", "/ping": "GET", "/health": "GET", "/version": "GET"}
logger = logging.getLogger(__name__)


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
                await refuse(send, refused)
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
        check_kind(scope, JSON)
        raw = b"".join([part async for part in parts(scope, receive, self._limits)])
        try:
            request = await asyncio.to_thread(read_request, raw, most=self._limits.images)
        except RequestError as error:
            raise Refused(400, str(error)) from None
        return await asyncio.to_thread(canonical, request)

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
