"""The armed events as one immutable value."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from imds_mock.events.event import Period
from imds_mock.events.kinds import AnyEvent
from imds_mock.scheduling.fields import collecting, raise_if_any
from imds_mock.scheduling.window import Window
from imds_mock.violations.words import unknown

if TYPE_CHECKING:
    from imds_mock.scheduling.fields import WrongField
    from imds_mock.scheduling.schedule import Duration, Instant

MAX_EVENTS: Final = 1000


class EventState(enum.StrEnum):
    """The state of an event."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"
    CANCELED = "canceled"


class ArmedEvent(msgspec.Struct, frozen=True):
    """One event on the timeline.

    Attributes:
        event: The event as it was given.
        period: When it is active.
    """

    event: AnyEvent
    period: Period

    @property
    def id(self) -> str:
        """The event's id in the API."""
        return self.period.id

    def state(self, now: float) -> EventState:
        """The state at `now` (seconds since the epoch)."""
        if self.period.canceled_at is not None and self.period.canceled_at < self.period.planned.end:
            return EventState.CANCELED
        if now < self.period.planned.start:
            return EventState.PENDING
        return EventState.ACTIVE if now < self.period.planned.end else EventState.ENDED


class UnknownEventError(LookupError):
    """No armed event has this id."""


class NotStartedError(RuntimeError):
    """An event that has not started cannot be ended."""


class TooManyEventsError(RuntimeError):
    """The limit of `MAX_EVENTS` is reached."""


class ArmedEvents(msgspec.Struct, frozen=True):
    """All armed events, the earliest armed first.

    Attributes:
        events: The events.
        last_number: Number of events ever armed; ids are not reused.
    """

    events: tuple[ArmedEvent, ...] = ()
    last_number: int = 0

    def arm(self, event: AnyEvent, now: float) -> ArmedEvents:
        """Add an event at `now` (seconds since the epoch), as the last one.

        Raises:
            FieldError: A time among its fields is invalid.
            TooManyEventsError: `MAX_EVENTS` events are armed already.
        """
        if len(self.events) >= MAX_EVENTS:
            raise TooManyEventsError(f"{MAX_EVENTS} events are armed; remove some first")
        number = self.last_number + 1
        armed = _armed(event, f"{event.kind}-{number}", now)
        return ArmedEvents((*self.events, armed), number)

    def get(self, event_id: str) -> ArmedEvent:
        """The event with this id.

        Raises:
            UnknownEventError: No event has this id.
        """
        for armed in self.events:
            if armed.id == event_id:
                return armed
        raise UnknownEventError(unknown("event", event_id, (armed.id for armed in self.events), "no event is armed"))

    def cancel(self, event_id: str, now: float) -> ArmedEvents:
        """Cancel an event from `now` on; an ended or canceled event stays as it is.

        Raises:
            UnknownEventError: No event has this id.
        """
        armed = self.get(event_id)
        if armed.state(now) not in {EventState.PENDING, EventState.ACTIVE}:
            return self
        return self._put(replace(armed, period=replace(armed.period, canceled_at=now)))

    def end(self, event_id: str, now: float) -> ArmedEvents:
        """End an active event as if its time were over: maintenance is completed, not canceled.

        An ended or canceled event stays as it is.

        Raises:
            NotStartedError: The event has not started.
            UnknownEventError: No event has this id.
        """
        armed = self.get(event_id)
        state = armed.state(now)
        if state is EventState.PENDING:
            raise NotStartedError(f"cannot end {event_id}: it has not started; cancel it, or rearm it to start now")
        if state is not EventState.ACTIVE:
            return self
        planned = Window(armed.period.planned.start, now)
        return self._put(replace(armed, period=replace(armed.period, planned=planned)))

    def rearm(
        self, event_id: str, now: float, *, in_: Duration | None = None, at: Instant | None = None
    ) -> ArmedEvents:
        """Start an event again with the same duration, as the last one.

        Args:
            event_id: The event's id.
            now: Seconds since the epoch; the start, unless `in_` or `at` is given.
            in_: Time from `now` to the start.
            at: Time of the start.

        Raises:
            FieldError: The start is invalid.
            UnknownEventError: No event has this id.
        """
        armed = self.get(event_id)
        event = replace(armed.event, in_=in_, at=at)
        again = _armed(event, event_id, now)
        return ArmedEvents((*(other for other in self.events if other.id != event_id), again), self.last_number)

    def remove(self, event_id: str) -> ArmedEvents:
        """Remove an event without a trace.

        Raises:
            UnknownEventError: No event has this id.
        """
        gone = self.get(event_id)
        return ArmedEvents(tuple(armed for armed in self.events if armed is not gone), self.last_number)

    def clear(self) -> ArmedEvents:
        """Remove all events."""
        return ArmedEvents((), self.last_number)

    def _put(self, changed: ArmedEvent) -> ArmedEvents:
        events = tuple(changed if armed.id == changed.id else armed for armed in self.events)
        return ArmedEvents(events, self.last_number)


def _armed(event: AnyEvent, event_id: str, now: float) -> ArmedEvent:
    """Read all times of an event, so that an invalid one is reported here and not in a metadata request.

    Raises:
        FieldError: One or more fields are invalid.
    """
    problems: list[WrongField] = []
    window = Window(now)
    with collecting(problems):
        window = event.window(now)
    armed = ArmedEvent(event, Period(event_id, window))
    with collecting(problems):
        for _path, layer in event.layers(armed.period):
            layer.body(window.start, None)
    raise_if_any(problems)
    return armed
