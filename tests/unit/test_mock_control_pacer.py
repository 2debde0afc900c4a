"""One request of the control plane takes a step in each iteration of the event loop."""

from __future__ import annotations

import asyncio

from imds_mock.control.pacer import Pacer


async def steps_per_iteration(requests: int) -> list[int]:
    """How many requests proceed in each iteration, if all arrive at once."""
    pacer = Pacer()
    begun = 0
    counts = []

    async def request() -> None:
        nonlocal begun
        await pacer.wait()
        begun += 1

    tasks = [asyncio.create_task(request()) for _ in range(requests)]
    while not all(task.done() for task in tasks):
        before = begun
        await asyncio.sleep(0)
        counts.append(begun - before)
    return counts


def test_one_request_proceeds_per_iteration() -> None:
    counts = asyncio.run(steps_per_iteration(50))
    assert max(counts) == 1
    assert sum(counts) == 50
    assert len(counts) < 60


async def after_one_is_cancelled() -> bool:
    pacer = Pacer()
    first, second = asyncio.create_task(pacer.wait()), asyncio.create_task(pacer.wait())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 60)
    return first.cancelled()


def test_a_cancelled_request_does_not_block_others() -> None:
    assert asyncio.run(after_one_is_cancelled())
