"""AEMM's events: when they appear, which clients see them, and their bodies byte for byte.

An event appears at the start, after a delay or at a trigger time, and stays. Delays are whole seconds since the start;
a trigger time overrides them. Spot notice, rebalance recommendation and lifecycle state contain times relative to the
request, the scheduled event times relative to the start.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from imds_mock.aemm.data import EVENT_ID_KEY
from imds_mock.aemm.keys import Command
from imds_mock.aemm.values import epoch_seconds
from imds_mock.metadata.documents import iso8601
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.aemm.settings import Settings

_NOTICE_SECONDS: Final = 120
_DAY_SECONDS: Final = 86400
# Go's encoding/json escapes these characters for HTML; in JSON they occur only in strings.
_ESCAPED: Final = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

SPOT_KEYS: Final = ("spot", "spot-termination-time", "rebalance-rec-time")
EVENT_KEYS: Final = ("events",)
LIFECYCLE_KEYS: Final = ("target-lifecycle-state",)

COMMAND_EVENTS: Final = {
    Command.ALL: frozenset((*SPOT_KEYS, *EVENT_KEYS, *LIFECYCLE_KEYS)),
    Command.SPOT: frozenset(SPOT_KEYS),
    Command.EVENTS: frozenset(EVENT_KEYS),
    Command.ASG_LIFECYCLE: frozenset(LIFECYCLE_KEYS),
}
"""The event leaves that a subcommand serves; the others do not exist."""


class ClientLimit:
    """The clients that see one kind of event: the first ones to request its leaves, even before it has appeared.

    `--mock-ip-count` sets their number. Addresses count as a whole, so clients behind one NAT address are one client.
    Spot notice and rebalance recommendation are one kind, scheduled events and lifecycle state one each.

    Attributes:
        count: The number of clients; negative for all.
    """

    __slots__ = ("_admitted", "count")

    def __init__(self, count: int) -> None:
        self.count = count
        self._admitted: set[str] = set()

    def admit(self, caller: str) -> bool:
        """Whether a client (its IP address) sees the event; admits it if the limit is not reached."""
        if self.count < 0 or caller in self._admitted:
            return True
        if len(self._admitted) >= self.count:
            return False
        self._admitted.add(caller)
        return True


class Trigger(Record, frozen=True):
    """The time at which an event appears.

    Attributes:
        moment: Seconds since the epoch.
    """

    moment: float

    @classmethod
    def of(cls, settings: Settings, prefix: str, started: float) -> Trigger:
        """Read the settings `PREFIX-delay-sec` and `PREFIX-trigger-time`.

        Args:
            settings: The settings.
            prefix: `mock`, `rebalance` or `asg-termination`.
            started: Start of the program in seconds since the epoch.
        """
        at = settings.text(f"{prefix}-trigger-time")
        return cls(epoch_seconds(at) if at else started + settings.number(f"{prefix}-delay-sec"))

    def is_due(self, now: float) -> bool:
        """Whether the event has appeared."""
        return now >= self.moment


def bodies(settings: Settings, started: float) -> dict[str, Callable[[float], bytes | None]]:
    """The bodies of all event leaves.

    Args:
        settings: The settings.
        started: Start of the program in seconds since the epoch.

    Returns:
        By the leaf's key a function of the wall-clock time that returns the body, or None before the event appears.
    """
    mocked = Trigger.of(settings, "mock", started)
    recommended = Trigger.of(settings, "rebalance", started)
    terminated = Trigger.of(settings, "asg-termination", started)
    action, end, notice = (settings.text(f"spot.{name}") for name in ("action", "time", "rebalance-rec-time"))
    scheduled = indented_json([_scheduled_event(settings, started)])

    def interruption(now: float) -> str:
        return end or iso8601(now + _NOTICE_SECONDS)

    return {
        "spot": lambda now: (
            indented_json({"action": action, "time": interruption(now)}) if mocked.is_due(now) else None
        ),
        "spot-termination-time": lambda now: interruption(now).encode() if mocked.is_due(now) else None,
        "rebalance-rec-time": lambda now: (
            indented_json({"noticeTime": notice or iso8601(now)}) if recommended.is_due(now) else None
        ),
        "events": lambda now: scheduled if mocked.is_due(now) else None,
        "target-lifecycle-state": lambda now: b"Terminated" if terminated.is_due(now) else b"InService",
    }


def indented_json(document: object) -> bytes:
    """Write JSON as AEMM does: indented with tabs, without a final line end."""
    return json.dumps(document, indent="\t", ensure_ascii=False).translate(_ESCAPED).encode()


def compact_json(document: object) -> bytes:
    """Write JSON as AEMM does in a text leaf: on one line, without spaces."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPED).encode()


def _scheduled_event(settings: Settings, started: float) -> dict[str, str]:
    def moment(name: str, days: int) -> str:
        given = settings.text(f"events.{name}")
        return _gmt(epoch_seconds(given) if given else started + days * _DAY_SECONDS)

    code = settings.text("events.code")
    return {
        "Code": code,
        "Description": f"The instance is scheduled for {code}",
        "State": settings.text("events.state"),
        "EventId": settings.text(EVENT_ID_KEY),
        "NotBefore": moment("not-before", 0),
        "NotAfter": moment("not-after", 7),
        "NotBeforeDeadline": moment("not-before-deadline", 9),
    }


def _gmt(moment: float) -> str:
    """`2 Dec 2026 02:48:14 GMT`, independent of the locale."""
    year, month, day, hour, minute, second, *_ = time.gmtime(moment)
    return f"{day} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
