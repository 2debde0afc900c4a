"""The deadline of a start and of its steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """A point in time on a monotonic clock."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self.seconds = seconds

    def elapsed(self) -> float:
        """Seconds since this deadline was created."""
        return self._clock() - self._started

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.seconds - self.elapsed())

    def socket_timeout(self) -> float:
        """Seconds left, as a socket's timeout. Raises TimeoutError if there are none."""
        remaining = self.remaining()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def within(self, seconds: float, at_least: float = 0.0) -> Deadline:
        """The deadline of one step: `seconds` from now, or this deadline if it is earlier."""
        return Deadline(max(at_least, min(seconds, self.remaining())), self._clock)
