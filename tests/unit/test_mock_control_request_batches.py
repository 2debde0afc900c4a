"""The batches of recorded requests: which ones are sent, and that a long journal holds up nothing else."""

from __future__ import annotations

import asyncio
import itertools
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from imds_mock.control.pacer import Pacer
from imds_mock.control.request_batches import RequestBatches
from imds_mock.service import responses
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Request
from imds_mock.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imds_mock.control.context import ControlContext
    from imds_mock.state.entries import Entry


def recorded(journal: Journal, requests: int) -> None:
    for number in range(requests):
        request = Request("GET", f"/{number}", f"/{number}")
        journal.record(1.0, Exchange("172.18.0.3", request, responses.refusal(404)), 9)


def is_even(entry: Entry) -> bool:
    return entry.number % 2 == 0


def context_of(journal: Journal) -> ControlContext:
    callers = SimpleNamespace(last_names=lambda _caller: ())
    made = SimpleNamespace(
        journal=journal,
        pacer=Pacer(),
        closing=asyncio.Event(),
        callers=callers,
        own_instance_of=lambda _caller: None,
    )
    return cast("ControlContext", made)


async def batches(stream: RequestBatches) -> AsyncIterator[dict[str, Any]]:
    async for chunk in stream.body_iterator:
        assert isinstance(chunk, bytes)
        if b"data: " in chunk:
            yield json.loads(chunk.partition(b"data: ")[2])


@pytest.mark.parametrize("requests", [202, 250, 600, 1998])
def test_of_many_requests_that_match_an_even_sample_with_the_latest_is_sent(requests: int) -> None:
    async def scenario() -> dict[str, Any]:
        journal = Journal()
        stream = batches(RequestBatches(context_of(journal), is_even, after=None, interval=0.001))
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        recorded(journal, requests)
        return await first

    batch = asyncio.run(scenario())
    matching = list(range(2, requests + 1, 2))
    numbers = [each["number"] for each in batch["requests"]]
    step = len(matching) / 100
    assert numbers[-1] == matching[-1]
    assert numbers == [matching[int(part * step) - 1] for part in range(1, 101)]
    assert batch["skipped"] == len(matching) - 100


def test_earlier_requests_are_sent_in_steps_between_which_others_are_answered() -> None:
    async def scenario() -> list[int]:
        journal = Journal()
        recorded(journal, 1000)
        answered = 0

        async def answer_others() -> None:
            nonlocal answered
            while True:
                answered += 1
                await asyncio.sleep(0)

        others = asyncio.create_task(answer_others())
        stream = batches(RequestBatches(context_of(journal), None, after=0, interval=1.0))
        seen = []
        for _ in range(4):
            assert len((await anext(stream))["requests"]) == 250
            seen.append(answered)
        others.cancel()
        return seen

    seen = asyncio.run(scenario())
    assert all(later > sooner for sooner, later in itertools.pairwise(seen)), seen
