"""The mock's own time: the real time, or a time that was set and runs on from there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[float, float], None]

END_SECONDS: Final = 10_413_792_000
"""The mock's time can be set to a moment before the year 2300, so that every date that it serves has four digits."""

_MAX_MOVES: Final = 64
# Long sleeps are divided, because a suspended laptop skips wall-clock time.
_SLEEP_SECONDS: Final = 30.0


class ClockRangeError(ValueError):
    """The mock's time cannot be set to a moment."""


class MockClock:
    """The time that everything in one mock follows. Calling it returns the time in seconds since the epoch.

    Use it on the thread of the mock's event loop. Socket timeouts, look-ups and retries do not follow it.

    Args:
        real: The real time in seconds since the epoch.

    Attributes:
        real: The real time in seconds since the epoch.
        now: The mock's time, like calling the clock, but replaced whenever the clock is moved: do not keep it. While
            the time is real this is `real` itself, so that reading it costs nothing more.
        offset: How many seconds the mock's time is ahead of the real one; 0 while it is real.
    """

    __slots__ = ("_asleep", "_listeners", "_moves", "now", "offset", "real")

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self.real = self.now = real
        self.offset = 0.0
        self._listeners: list[Listener] = []
        self._asleep: set[asyncio.Future[None]] = set()
        self._moves: deque[tuple[float, float]] = deque(maxlen=_MAX_MOVES)

    def __call__(self) -> float:
        """The mock's time in seconds since the epoch."""
        return self.now()

    @property
    def is_real(self) -> bool:
        """Whether the mock's time is the real one."""
        return self.offset == 0.0

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """Move the time forward; it runs on from there.

        Args:
            seconds: How far, added to the following.
            minutes: Minutes.
            hours: Hours.
            days: Days.

        Raises:
            ClockRangeError: The sum is negative, or the time would be in the year 2300 or later.
        """
        forward = seconds + 60.0 * minutes + 3600.0 * hours + 86400.0 * days
        if not forward >= 0.0:
            raise ClockRangeError(f"cannot advance the clock by {forward:g} s; set an earlier time instead")
        _check(self() + forward)
        self._move(self.offset + forward)

    def set(self, moment: float | datetime) -> None:
        """Set the time; it runs on from there.

        Args:
            moment: Seconds since the epoch, or a date; a date without a time zone is UTC.

        Raises:
            ClockRangeError: The moment is before 1970, or in the year 2300 or later.
        """
        if isinstance(moment, datetime):
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        _check(moment)
        self._move(moment - self.real())

    def use_real_time(self) -> None:
        """Return to the real time."""
        self._move(0.0)

    def on_move(self, listener: Listener) -> None:
        """Call a function with the old and the new time after each move, in the order in which they were added."""
        self._listeners.append(listener)

    def offset_ago(self, seconds: float) -> float:
        """The offset that was in force some seconds of real time ago."""
        moment = time.monotonic() - seconds
        return next((before for moved_at, before in self._moves if moment < moved_at), self.offset)

    async def sleep(self, seconds: float) -> None:
        """Sleep for some seconds of real time, or until the clock is moved."""
        waking = asyncio.get_running_loop().create_future()
        self._asleep.add(waking)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await waking
        finally:
            self._asleep.discard(waking)

    async def sleep_until(self, moment: float) -> None:
        """Sleep until the mock's time is at or after a moment, in seconds since the epoch."""
        while (left := moment - self()) > 0:
            await self.sleep(min(left, _SLEEP_SECONDS))

    def _move(self, offset: float) -> None:
        before = self()
        self._moves.append((time.monotonic(), self.offset))
        self.offset, real = offset, self.real
        self.now = (lambda: real() + offset) if offset else real
        now = self()
        for listener in self._listeners:
            listener(before, now)
        for waking in self._asleep:
            if not waking.done():
                waking.set_result(None)


def _check(moment: float) -> None:
    if not 0 <= moment < END_SECONDS:
        raise ClockRangeError(f"the clock can be set to times from 1970 to 2299, not to {moment:.15g} s since 1970")
