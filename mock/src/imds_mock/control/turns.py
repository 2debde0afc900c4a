"""Lets requests of the control plane take their steps one in each turn of the event loop.

A turn runs everything that is ready. Without this, many requests at once would take their steps in the same turn, and
the data plane would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """The order in which requests take their steps."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn of the event loop in which no other request takes a step."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._give)
        await turn

    def _give(self) -> None:
        turn = self._waiting.popleft()
        if not turn.done():
            turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
