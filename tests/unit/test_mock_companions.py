"""Companions: the first failure counts, and stopping waits for all of them."""

from __future__ import annotations

import asyncio

import pytest

from imds_mock.config.errors import ConfigError
from imds_mock.run.companions import CompanionError, Companions
from support.event_loops import on_event_loop


async def fail(error: Exception) -> None:
    raise error


async def fail_when_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ValueError("while stopping") from None


@on_event_loop
async def test_the_first_failure_counts() -> None:
    companions = Companions()
    companions.start("the first", fail(ValueError("a reason")))
    companions.start("the second", fail(ConfigError("another reason")))
    with pytest.raises(CompanionError, match=r"^the first failed: ValueError: a reason$"):
        await companions.failed()
    await companions.stop()
    assert str(companions.failure) == "the first failed: ValueError: a reason"


def test_an_exception_without_text_is_named_by_its_type() -> None:
    assert str(CompanionError("the watcher", TimeoutError())) == "the watcher failed: TimeoutError"


@on_event_loop
async def test_a_companion_that_ends_or_is_cancelled_is_no_failure() -> None:
    companions = Companions()
    await companions.start("done", asyncio.sleep(0))
    companions.start("cancelled", asyncio.sleep(3600))
    await companions.stop()
    assert companions.failure is None
    assert len(asyncio.all_tasks()) == 1


@on_event_loop
async def test_a_failure_while_stopping_is_reported_to_the_loop_only() -> None:
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["message"]))
    companions = Companions()
    companions.start("the control plane", fail_when_cancelled())
    await asyncio.sleep(0)
    await companions.stop()
    assert (companions.failure, reported) == (None, ["the control plane failed"])
