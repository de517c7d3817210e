"""Work done ahead by threads, in order and in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PENDING = 128  # images read ahead of their use
Task = TypeVar("Task")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    pending: int = PENDING,
    weight: Callable[[Task], int] = lambda task: 1,
) -> Iterator[Result]:
    """Yield `work(task)` in the order of the tasks, some of them ahead of the caller.

    Those begun or waiting weigh at most `pending` together, or are one alone. The threads go on
    while the caller uses what it got; decoders let go of the interpreter.
    """
    futures: deque[tuple[int, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(max_workers=CORES)
    try:
        for task in tasks:
            heavy = weight(task)
            while futures and heavy + sum(each for each, _ in futures) > pending:
                yield futures.popleft()[1].result()
            futures.append((heavy, pool.submit(work, task)))
        while futures:
            yield futures.popleft()[1].result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
