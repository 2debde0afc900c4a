"""AEMM's events: there from the start, or after a delay or at a time, and then for good; their bodies, byte for byte.

Spot notice, rebalance recommendation and lifecycle state take their times from the moment of the request, the scheduled
event from the start of the program. Delays are whole seconds since the start; a trigger time goes before them.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imds_mock.aemm.data import EVENT_ID_KEY
from imds_mock.aemm.keys import Command
from imds_mock.aemm.values import epoch_seconds
from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.aemm.settings import Settings

_NOTICE_SECONDS: Final = 120
_DAY_SECONDS: Final = 86400
# Go's encoding/json writes these so, for HTML; JSON has them inside of strings only.
_ESCAPED: Final = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

SPOT_KEYS: Final = ("spot", "spot-termination-time", "rebalance-rec-time")
EVENT_KEYS: Final = ("events",)
LIFECYCLE_KEYS: Final = ("target-lifecycle-state",)

MOCKED: Final = {
    Command.ALL: frozenset((*SPOT_KEYS, *EVENT_KEYS, *LIFECYCLE_KEYS)),
    Command.SPOT: frozenset(SPOT_KEYS),
    Command.EVENTS: frozenset(EVENT_KEYS),
    Command.ASG_LIFECYCLE: frozenset(LIFECYCLE_KEYS),
}
"""The event leaves that a subcommand serves; the others do not exist at all."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """When an event appears.

    Attributes:
        moment: Seconds since the epoch.
    """

    moment: float

    @classmethod
    def of(cls, settings: Settings, prefix: str, started: float) -> Trigger:
        """Read the pair of settings `PREFIX-delay-sec` and `PREFIX-trigger-time`.

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
    """Make the bodies of all event leaves.

    Args:
        settings: The settings.
        started: Start of the program in seconds since the epoch.

    Returns:
        The leaf's key to what gives its body for a wall-clock time, or None while the event has not appeared.
    """
    mocked = Trigger.of(settings, "mock", started)
    recommended = Trigger.of(settings, "rebalance", started)
    terminated = Trigger.of(settings, "asg-termination", started)
    action, end, notice = (settings.text(f"spot.{name}") for name in ("action", "time", "rebalance-rec-time"))
    scheduled = tabbed([_scheduled_event(settings, started)])

    def interruption(now: float) -> str:
        return end or iso8601(now + _NOTICE_SECONDS)

    return {
        "spot": lambda now: tabbed({"action": action, "time": interruption(now)}) if mocked.is_due(now) else None,
        "spot-termination-time": lambda now: interruption(now).encode() if mocked.is_due(now) else None,
        "rebalance-rec-time": lambda now: (
            tabbed({"noticeTime": notice or iso8601(now)}) if recommended.is_due(now) else None
        ),
        "events": lambda now: scheduled if mocked.is_due(now) else None,
        "target-lifecycle-state": lambda now: b"Terminated" if terminated.is_due(now) else b"InService",
    }


def tabbed(document: object) -> bytes:
    """Write JSON as AEMM does: one tab a level, no line end at the end."""
    return json.dumps(document, indent="\t", ensure_ascii=False).translate(_ESCAPED).encode()


def compact(document: object) -> bytes:
    """Write JSON as AEMM does where it is text: on one line, without spaces."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPED).encode()


def _scheduled_event(settings: Settings, started: float) -> dict[str, str]:
    def moment(name: str, days: int) -> str:
        given = settings.text(f"events.{name}")
        return _english(epoch_seconds(given) if given else started + days * _DAY_SECONDS)

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


def _english(moment: float) -> str:
    """`2 Dec 2026 02:48:14 GMT`, whatever the locale."""
    year, month, day, hour, minute, second, *_ = time.gmtime(moment)
    return f"{day} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
