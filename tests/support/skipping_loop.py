"""An event loop whose clock jumps to the next timer: a test of a time-out takes no time, however busy the machine is.

Only for code that waits for nothing but timers and other tasks: sockets and threads would seem to answer too late.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_Result = TypeVar("_Result")


class SkippingLoop(asyncio.SelectorEventLoop):
    """Counts the seconds that timers take, and nothing else."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        """The seconds that timers have taken."""
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]  # of asyncio.BaseEventLoop
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def seconds_of(coroutine: Coroutine[object, object, _Result]) -> tuple[float, _Result]:
    """Run a coroutine; returns the seconds that its timers took, and its result."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        loop = runner.get_loop()
        began = loop.time()
        result = runner.run(coroutine)
        return loop.time() - began, result
