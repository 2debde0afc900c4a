"""One point in time that everything in a start is measured against."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """A moment on a monotonic clock."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self.seconds = seconds

    def elapsed(self) -> float:
        """Seconds since it was set."""
        return self._clock() - self._started

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.seconds - self.elapsed())

    def within(self, seconds: float, at_least: float = 0.0) -> Deadline:
        """A deadline of its own for one step: so many seconds from now, or this one if it is nearer."""
        return Deadline(max(at_least, min(seconds, self.remaining())), self._clock)
