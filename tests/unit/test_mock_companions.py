"""Companions: the first failure counts, and stopping waits for all of them."""

from __future__ import annotations

import asyncio

import pytest

from imds_mock.config.errors import ConfigError
from imds_mock.run.companions import CompanionError, Companions


async def fail(error: Exception) -> None:
    raise error


async def fail_when_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ValueError("while stopping") from None


def test_the_first_failure_counts() -> None:
    async def scenario() -> None:
        companions = Companions()
        companions.start("the first", fail(ValueError("a reason")))
        companions.start("the second", fail(ConfigError("another reason")))
        with pytest.raises(CompanionError, match=r"^the first failed: ValueError: a reason$"):
            await companions.failed()
        await companions.stop()
        assert str(companions.failure) == "the first failed: ValueError: a reason"

    asyncio.run(scenario())


def test_an_exception_without_text_is_named_by_its_type() -> None:
    assert str(CompanionError("the watcher", TimeoutError())) == "the watcher failed: TimeoutError"


def test_a_companion_that_ends_or_is_cancelled_is_no_failure() -> None:
    async def scenario() -> None:
        companions = Companions()
        await companions.start("done", asyncio.sleep(0))
        companions.start("cancelled", asyncio.sleep(3600))
        await companions.stop()
        assert companions.failure is None
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


def test_a_failure_while_stopping_is_reported_to_the_loop_only() -> None:
    async def scenario() -> None:
        reported: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["message"]))
        companions = Companions()
        companions.start("the control plane", fail_when_cancelled())
        await asyncio.sleep(0)
        await companions.stop()
        assert (companions.failure, reported) == (None, ["the control plane failed"])

    asyncio.run(scenario())
