"""Requests of the control plane begin one in each turn of the event loop."""

from __future__ import annotations

import asyncio

from imds_mock.control.turns import Turns


async def begun_in_each_turn(requests: int) -> list[int]:
    """How many requests begin in each turn of the loop, when all come at once."""
    turns = Turns()
    begun = 0
    counts = []

    async def request() -> None:
        nonlocal begun
        await turns.take()
        begun += 1

    tasks = [asyncio.create_task(request()) for _ in range(requests)]
    while not all(task.done() for task in tasks):
        before = begun
        await asyncio.sleep(0)
        counts.append(begun - before)
    return counts


def test_one_request_begins_in_a_turn_in_the_order_of_arrival() -> None:
    counts = asyncio.run(begun_in_each_turn(50))
    assert max(counts) == 1
    assert sum(counts) == 50
    assert len(counts) < 60


async def after_one_is_cancelled() -> bool:
    turns = Turns()
    first, second = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 5)
    return first.cancelled()


def test_a_request_that_is_cancelled_keeps_no_other_waiting() -> None:
    assert asyncio.run(after_one_is_cancelled())
