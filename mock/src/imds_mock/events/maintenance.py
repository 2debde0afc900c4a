"""Scheduled maintenance events.

Source: EC2 User Guide, "Scheduled events for your instances": active events stand in `scheduled`; one that is over or
canceled is found in `history`, its description marked. Dates are written like `21 Jan 2019 09:00:43 GMT`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from imds_mock.events.kind import Course, Event
from imds_mock.metadata import documents
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.schedule import Moment, Window, read_moment

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


class ScheduledMaintenance(Event, frozen=True, kw_only=True, tag_field="kind", tag="maintenance"):
    """AWS is going to do something to the instance or its host.

    The event is active from its start; when it ends it is completed, when it is taken back before that, canceled.

    Attributes:
        code: What is going to be done.
        not_before: Earliest time of it: an instant, or a duration after the start.
        not_after: Latest time of it: an instant, or a duration after `not_before`; None leaves it out.
        description: Text for people; None takes the usual one for the code.
        event_id: None makes one.
    """

    leaves_traces: ClassVar[bool] = True

    code: Code = "system-reboot"
    not_before: Moment = "7d"
    not_after: Moment | None = "2h"
    description: str | None = None
    event_id: str | None = None

    def layers(self, course: Course) -> Iterator[tuple[str, Layer]]:
        """`events/maintenance/scheduled` and `events/maintenance/history`."""
        window = course.window
        canceled = course.canceled_at is not None and course.canceled_at < course.planned.end
        # What was canceled stays so, even if the clock is set back to before that.
        shown = Window(window.end, window.end) if canceled else window
        yield SCHEDULED, _Entry(shown, (window.start, window.end), self._entry(course, "active"))
        if window.start < window.end:
            over = self._entry(course, "canceled" if canceled else "completed")
            past = Window(window.start if canceled else window.end)
            yield HISTORY, _Entry(past, (window.end,), over)

    def _entry(self, course: Course, state: str) -> dict[str, str]:
        not_before = read_moment("not_before", self.not_before, course.planned.start)
        description = self.description or _DESCRIPTIONS[self.code]
        entry = {
            "NotBefore": _date(not_before),
            "Code": self.code,
            "Description": description if state == "active" else f"[{state.title()}] {description}",
            "EventId": self.event_id or _event_id(course),
        }
        if self.not_after is not None:
            not_after = read_moment("not_after", self.not_after, not_before)
            if not_after < not_before:
                raise FieldError("not_after", f"{self.not_after!r} is before not_before ({self.not_before!r})")
            entry["NotAfter"] = _date(not_after)
        return entry | {"State": state}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A layer that adds one entry to a JSON array while a window is open; `changes` are told as times of changes."""

    window: Window
    changes: tuple[float, ...]
    entry: dict[str, str]
    since: str = _SINCE

    def body(self, now: float, below: bytes | None) -> bytes | None:
        if now not in self.window:
            # The lists are never absent: clients take a 404 for an error.
            return b"[]" if below is None else below
        entries: list[Any] = json.loads(below) if below else []
        return documents.write([*entries, self.entry])

    def modified(self, now: float, below: float | None) -> float | None:
        changes = [moment for moment in self.changes if moment <= now]
        return max([*changes, below or 0.0]) if changes else below


def _event_id(course: Course) -> str:
    seed = f"{course.id} {course.planned.start}".encode()
    return f"instance-event-{blake2b(seed, digest_size=9).hexdigest()[:17]}"


def _date(moment: float) -> str:
    year, month, day, hour, minute, second, *_ = time.gmtime(moment)
    return f"{day} {_MONTHS[month - 1]} {year} {hour:02}:{minute:02}:{second:02} GMT"
