"""Work done ahead by threads, in order and in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

PENDING_FILES = 64  # read ahead of their use
Task = TypeVar("Task")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Task], Result], tasks: Iterable[Task], *, pending: int
) -> Iterator[Result]:
    """Yield `work(task)` in the order of the tasks, at most `pending` of them begun or waiting.

    The threads go on while the caller uses what it got; decoders let go of the interpreter.
    """
    futures: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for task in tasks:
            futures.append(pool.submit(work, task))
            if len(futures) >= pending:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
