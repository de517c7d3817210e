"""Requests that arrive together are answered together: one call of the model for all of them.

Nothing waits for company. What comes while the model is at work is gathered, and is its next call:
alone a request is answered at once, and the more come at a time, the more share a call.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Rows = list[Any]
Answer = Callable[[tuple[str, ...]], Awaitable[Rows]]
Asked = tuple[tuple[str, ...], asyncio.Future[Rows]]


class Gatherer:
    """Answers images, each on its own, by as few calls as keep the model at work.

    answer: one row for each image. most: images in one call. calls: at the same time.
    """

    def __init__(self, answer: Answer, *, most: int, calls: int) -> None:
        self._answer, self._most, self._calls = answer, most, calls
        self._waiting: deque[Asked] = deque()
        self._working: set[asyncio.Task[None]] = set()

    async def ask(self, images: tuple[str, ...]) -> Rows:
        """The rows of one request's images."""
        asked = images, asyncio.get_running_loop().create_future()
        self._waiting.append(asked)
        if len(self._working) < self._calls:
            task = asyncio.create_task(self._work())
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return await asked[1]

    async def _work(self) -> None:
        while together := self._next():
            try:
                await self._answer_together(together)
            except Exception as error:  # noqa: BLE001 - each caller is told of it
                if len(together) == 1:
                    _fail(together[0], error)
                else:
                    for asked in together:
                        await self._answer_apart(asked)

    def _next(self) -> list[Asked]:
        """Requests to be answered now, at least one if any waits."""
        together: list[Asked] = []
        room = self._most
        while self._waiting and (not together or len(self._waiting[0][0]) <= room):
            together.append(self._waiting.popleft())
            room -= len(together[-1][0])
        return together

    async def _answer_together(self, together: Sequence[Asked]) -> None:
        rows = await self._answer(tuple(image for images, _ in together for image in images))
        for images, future in together:
            if not future.done():  # its caller may have gone
                future.set_result(rows[: len(images)])
            rows = rows[len(images) :]

    async def _answer_apart(self, asked: Asked) -> None:
        """One request's failure is not that of those it happened to share a call with."""
        try:
            await self._answer_together([asked])
        except Exception as error:  # noqa: BLE001
            _fail(asked, error)


def _fail(asked: Asked, error: Exception) -> None:
    if not asked[1].done():
        asked[1].set_exception(error)
