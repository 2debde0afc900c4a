"""Scheduled maintenance events.

Source: EC2 User Guide, "Scheduled events for your instances": `scheduled` lists active events; `history` lists
completed and canceled ones, with a mark in the description. Dates are written like `21 Jan 2019 09:00:43 GMT`.
"""

from __future__ import annotations

import json
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from imds_mock.events.event import Event, Period
from imds_mock.metadata import documents
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.options import METAVAR, POSITIONAL
from imds_mock.scheduling.schedule import Moment, read_moment
from imds_mock.scheduling.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.layers import Layer

SCHEDULED: Final = "meta-data/events/maintenance/scheduled"
HISTORY: Final = "meta-data/events/maintenance/history"

_SINCE: Final = "2018-08-17"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DEGRADED: Final = "The instance is running on degraded hardware"
_DESCRIPTIONS: Final = {
    "instance-reboot": "scheduled reboot",
    "system-reboot": "scheduled reboot",
    "system-maintenance": "scheduled maintenance",
    "instance-retirement": _DEGRADED,
    "instance-stop": _DEGRADED,
}

Code = Literal["instance-reboot", "system-reboot", "system-maintenance", "instance-retirement", "instance-stop"]


class ScheduledMaintenance(Event, frozen=True, kw_only=True, tag="maintenance"):
    """Schedule a maintenance event.

    An active entry appears in `events/maintenance/scheduled`. It moves to `history` as completed when the event ends,
    or as canceled when the event is canceled. `not_after: null` omits the latest time.
    """

    leaves_traces: ClassVar[bool] = True

    code: Annotated[Code, Meta(description="Type of maintenance.", extra={POSITIONAL: True})] = "system-reboot"
    not_before: Annotated[Moment, Meta(description="Earliest time, or duration from the start.")] = "7d"
    not_after: Annotated[Moment | None, Meta(description="Latest time, or duration from `not_before`.")] = "2h"
    description: Annotated[
        str | None,
        Meta(description="Text of the entry (default: the usual one for the code).", extra={METAVAR: "TEXT"}),
    ] = None
    event_id: Annotated[
        str | None, Meta(description="Id of the entry (default: generated).", extra={METAVAR: "ID"})
    ] = None

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:
        """`events/maintenance/scheduled` and `events/maintenance/history`."""
        window = period.window
        canceled = period.canceled_at is not None and period.canceled_at < period.planned.end
        # A canceled event stays canceled even if the clock is set back to a time before the cancellation.
        shown = Window(window.end, window.end) if canceled else window
        yield SCHEDULED, _Entry(shown, (window.start, window.end), self._entry(period, "active"))
        if window.start < window.end:
            over = self._entry(period, "canceled" if canceled else "completed")
            past = Window(window.start if canceled else window.end)
            yield HISTORY, _Entry(past, (window.end,), over)

    def consequence(self, start: float) -> tuple[str, float]:
        """The earliest time of the maintenance."""
        return "maintenance", read_moment("not_before", self.not_before, start)

    def _entry(self, period: Period, state: str) -> dict[str, str]:
        _word, not_before = self.consequence(period.planned.start)
        description = self.description or _DESCRIPTIONS[self.code]
        entry = {
            "NotBefore": _date(not_before),
            "Code": self.code,
            "Description": description if state == "active" else f"[{state.title()}] {description}",
            "EventId": self.event_id or _event_id(period),
        }
        if self.not_after is not None:
            not_after = read_moment("not_after", self.not_after, not_before)
            if not_after < not_before:
                raise FieldError("not_after", f"{self.not_after!r} is before not_before ({self.not_before!r})")
            entry["NotAfter"] = _date(not_after)
        return entry | {"State": state}


class _Entry(msgspec.Struct, frozen=True):
    """A layer that adds one entry to a JSON array while a window is open."""

    window: Window
    modifications: tuple[float, ...]
    entry: dict[str, str]
    since: str = _SINCE

    @property
    def changes(self) -> tuple[float, ...]:
        return self.window.start, self.window.end, *self.modifications

    def body(self, now: float, below: bytes | None) -> bytes | None:
        if now not in self.window:
            # The lists always exist, because clients treat a 404 as an error.
            return b"[]" if below is None else below
        entries: list[Any] = json.loads(below) if below else []
        return documents.write([*entries, self.entry])

    def modified(self, now: float, below: float | None) -> float | None:
        modifications = [moment for moment in self.modifications if moment <= now]
        return max([*modifications, below or 0.0]) if modifications else below


def _event_id(period: Period) -> str:
    seed = f"{period.id} {period.planned.start}".encode()
    return f"instance-event-{blake2b(seed, digest_size=9).hexdigest()[:17]}"


def _date(moment: float) -> str:
    year, month, day, hour, minute, second, *_ = time.gmtime(moment)
    return f"{day} {_MONTHS[month - 1]} {year} {hour:02}:{minute:02}:{second:02} GMT"
