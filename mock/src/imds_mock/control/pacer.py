"""Runs requests of the control plane one step per iteration of the event loop.

One iteration runs everything that is ready. Without the pacer, many simultaneous requests would run in one iteration,
and the data plane would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Pacer:
    """The queue in which requests wait for their next step."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Wait for an iteration of the event loop in which no other request takes a step."""
        loop = asyncio.get_running_loop()
        step = loop.create_future()
        self._waiting.append(step)
        if len(self._waiting) == 1:
            loop.call_soon(self._release_next)
        await step

    def _release_next(self) -> None:
        step = self._waiting.popleft()
        if not step.done():
            step.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._release_next)
