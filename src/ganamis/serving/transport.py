"""What the guard and the page share: limits, refusals, and bodies that arrive in parts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

JSON = b"application/json"
FAILED = "the model failed; the server's log says why"
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that is answered by a status and one sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """largest_request, largest_file: bytes. images: in one request. seconds: it may take to come.

    largest_file is of one encoded image.
    """

    largest_request: int
    largest_file: int
    images: int
    seconds: int


def check_kind(scope: Message, kind: bytes) -> None:
    """Refuse a request whose body is declared as anything but `kind`."""
    declared, _, parameter = _header(scope, b"content-type").lower().partition(b";")
    if declared.strip() != kind or parameter.strip() not in (b"", b"charset=utf-8"):
        raise Refused(415, f"send Content-Type: {kind.decode()}")


async def parts(scope: Message, receive: Receive, limits: Limits) -> AsyncIterator[bytes]:
    """A request's body as it arrives; it is refused once it is too large or too slow."""
    declared = _header(scope, b"content-length")
    if declared.isdigit() and int(declared[:20]) > limits.largest_request:
        raise _too_large(limits)
    size = 0
    ends = asyncio.get_running_loop().time() + limits.seconds
    while True:
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise Refused(408, f"the request took over {limits.seconds} s") from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request ended early")
        part = message.get("body", b"")
        size += len(part)
        if size > limits.largest_request:
            raise _too_large(limits)
        yield part
        if not message.get("more_body", False):
            return


def _header(scope: Message, name: bytes) -> bytes:
    return dict(scope["headers"]).get(name, b"")


def _too_large(limits: Limits) -> Refused:
    return Refused(413, f"a request has at most {limits.largest_request} bytes")


async def refuse(send: Send, refused: Refused) -> None:
    """Answer a refusal."""
    body = json.dumps({"error_code": refused.status, "message": str(refused)}).encode()
    # What is left of a refused body is not read.
    await respond(send, body, {b"content-type": JSON, b"connection": b"close"}, refused.status)


async def respond(send: Send, body: bytes, headers: dict[bytes, bytes], status: int = 200) -> None:
    """Answer by a body."""
    sent = [*headers.items(), (b"content-length", str(len(body)).encode())]
    sent.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
