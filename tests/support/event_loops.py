"""Event loops for tests."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from imds_mock.run.program import LOOP_FACTORY

P = ParamSpec("P")

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine: the type of the fixture `run`."""

LOCAL = {"server": {"hosts": ["127.0.0.1"]}}
LOOPS = {"asyncio": asyncio.new_event_loop, "the program's": LOOP_FACTORY}


def on_event_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a coroutine, which runs on an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run
