"""A span of time: when an event or fault is active, or how long a response holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Window(msgspec.Struct, frozen=True):
    """A span of time.

    Attributes:
        start: First moment inside, in seconds since the epoch.
        end: First moment after it; infinity if it has no end.
    """

    start: float
    end: float = math.inf

    def __contains__(self, now: float) -> bool:
        return self.start <= now < self.end

    def intersection(self, other: Window) -> Window:
        """The moments inside both; a window that ends before it starts contains none."""
        return Window(max(self.start, other.start), min(self.end, other.end))

    @classmethod
    def between(cls, changes: Iterable[float], now: float) -> Window:
        """The longest window around a time that begins at one of the given moments and ends at the next.

        Args:
            changes: Moments in seconds since the epoch, in any order.
            now: A time in the window.
        """
        start, end = -math.inf, math.inf
        for moment in changes:
            if start < moment <= now:
                start = moment
            elif now < moment < end:
                end = moment
        return cls(start, end)


ALWAYS: Final = Window(-math.inf)
"""All of time."""
