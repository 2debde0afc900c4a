"""The kinds of event loops on which an embedded mock runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from imds_mock.run.program import LOOP_FACTORY

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine: the type of the fixture `run`."""

LOCAL = {"server": {"hosts": ["127.0.0.1"]}}
LOOPS = {"asyncio": asyncio.new_event_loop, "the program's": LOOP_FACTORY}
