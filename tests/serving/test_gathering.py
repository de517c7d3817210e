"""Requests that arrive together share a call; each gets its own rows, and its own failure."""

import asyncio

import pytest

from ganamis.serving.gathering import Gatherer, Rows


def run(asked: list[tuple[str, ...]], *, most: int, calls: int) -> tuple[list, list[int]]:
    """What each request got, asked all at once, and the sizes of the calls."""
    sizes: list[int] = []

    async def answer(images: tuple[str, ...]) -> Rows:
        sizes.append(len(images))
        await asyncio.sleep(0.01)
        if "bad" in images:
            raise ValueError("bad")
        return [image.upper() for image in images]

    async def main() -> list:
        gatherer = Gatherer(answer, most=most, calls=calls)
        return await asyncio.gather(*map(gatherer.ask, asked), return_exceptions=True)

    return asyncio.run(main()), sizes


def test_the_first_goes_at_once_and_the_others_together() -> None:
    asked = [(f"{n}a", f"{n}b") for n in range(5)]
    got, sizes = run(asked, most=100, calls=1)
    assert got == [[f"{n}A", f"{n}B"] for n in range(5)]
    assert len(sizes) <= 2 and sum(sizes) == 10


@pytest.mark.parametrize("calls", [1, 3])
def test_no_call_is_too_large_and_none_is_left_waiting(calls: int) -> None:
    asked = [tuple(f"{n}-{i}" for i in range(n)) for n in (3, 1, 2, 3, 1, 1, 3)]
    got, sizes = run(asked, most=3, calls=calls)
    assert got == [list(images) for images in asked]
    assert max(sizes) == 3


def test_one_failure_is_nobody_else_s() -> None:
    asked = [("a",), ("b",), ("bad",), ("c",)]
    got, _ = run(asked, most=100, calls=1)
    assert isinstance(got[2], ValueError)
    assert [got[0], got[1], got[3]] == [["A"], ["B"], ["C"]]


def test_a_caller_that_has_gone_spoils_nothing() -> None:
    async def answer(images: tuple[str, ...]) -> Rows:
        await asyncio.sleep(0.01)
        return list(images)

    async def main() -> Rows:
        gatherer = Gatherer(answer, most=9, calls=1)
        gone, stays = (asyncio.create_task(gatherer.ask((name,))) for name in "ab")
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(main()) == ["b"]
