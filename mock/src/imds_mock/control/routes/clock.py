"""The operations on the mock's own time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from imds_mock.clock import END_SECONDS, ClockRangeError
from imds_mock.control.operations import Noted, Operation
from imds_mock.control.problems import ProblemError
from imds_mock.control.shown import moment
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.schedule import Duration, Instant, instant_pattern, read_duration, read_instant
from imds_mock.violations.marks import CHECK, EXPECTED
from imds_mock.violations.words import shown

if TYPE_CHECKING:
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call

_A_TIME: Final = "a time from 1970 to 2299 such as 2027-01-31T12:00:00Z"


def _read(field: str, value: Instant) -> float:
    """The time to set in seconds since the epoch; raises `FieldError`."""
    try:
        seconds = read_instant(field, value)
    except FieldError as error:
        raise FieldError(field, f"expected {_A_TIME}, got {shown(value)}") from error
    if seconds >= END_SECONDS:
        raise FieldError(field, f"expected {_A_TIME}, got {shown(value)}")
    return seconds


_Seconds = Annotated[float, Meta(extra_json_schema={"minimum": 0, "exclusiveMaximum": END_SECONDS})]
_Text = Annotated[str, Meta(extra_json_schema={"pattern": instant_pattern("19[7-9][0-9]|2[0-2][0-9]{2}")})]
ClockTime = Annotated[_Seconds | _Text, Meta(extra={EXPECTED: _A_TIME, CHECK: lambda value: _read("", value)})]
"""Seconds since the epoch, or ISO 8601 text, before the year 2300."""


class ShownClock(msgspec.Struct, frozen=True):
    """The mock's time."""

    time: Annotated[str, Meta(description="The mock's time.")]
    real_time: Annotated[str, Meta(description="The real time.")]
    offset_seconds: Annotated[float, Meta(description="How far the mock's time is ahead of the real one.")]
    is_real: Annotated[bool, Meta(description="Whether the mock's time is the real one.")]


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far to move the mock's time forward."""

    by: Annotated[Duration, Meta(description="Seconds, or a duration such as 6h.")]


class NewTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time to set."""

    time: Annotated[ClockTime, Meta(description="The mock's new time, from which it runs on.")]


class ClockRoutes:
    """The operations on the mock's time.

    Args:
        context: The running mock.
    """

    group: Final = "clock"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._clock = context.clock

    def operations(self) -> list[Operation]:
        """All operations."""
        clock, forward = "/v1/clock", "Move the mock's time forward"
        return [
            Operation("GET", clock, "Show the mock's time", self.show, ShownClock),
            Operation("PUT", clock, "Set the mock's time", self.set, ShownClock, body=NewTime, notes=True),
            Operation("DELETE", clock, "Return to the real time", self.use_real_time, ShownClock, notes=True),
            Operation(
                *("POST", f"{clock}/advance", forward, self.advance, ShownClock),
                body=Advance,
                problems=(409,),
                notes=True,
            ),
        ]

    async def show(self, _call: Call) -> ShownClock:
        """Show the time."""
        return self._shown()

    async def set(self, call: Call) -> Noted:
        """Set the time."""
        self._clock.set(_read("time", call.body.time))
        return await self._moved()

    async def advance(self, call: Call) -> Noted:
        """Move the time forward."""
        try:
            self._clock.advance(read_duration("by", call.body.by))
        except ClockRangeError as error:
            raise ProblemError(409, f"The clock would pass the year 2299: it shows {self._shown().time}.") from error
        return await self._moved()

    async def use_real_time(self, _call: Call) -> Noted:
        """Return to the real time."""
        self._clock.use_real_time()
        return await self._moved()

    async def _moved(self) -> Noted:
        """The new time, once the credentials that are due are fetched."""
        notes = await self._context.wait_for_renewals()
        return Noted(self._shown(), notes)

    def _shown(self) -> ShownClock:
        # One reading, so that the two times and the offset agree.
        real, offset = self._clock.real(), self._clock.offset
        return ShownClock(moment(real + offset), moment(real), offset, self._clock.is_real)
