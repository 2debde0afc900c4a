"""The events that are armed, as one immutable value: a change gives another book."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from imds_mock.events.kind import Course
from imds_mock.events.kinds import AnyEvent, kind_of
from imds_mock.scheduling.fields import FieldError, raise_if_any
from imds_mock.scheduling.schedule import Window
from imds_mock.violations.words import unknown

if TYPE_CHECKING:
    from imds_mock.scheduling.fields import WrongField
    from imds_mock.scheduling.schedule import Duration, Instant

MAX_EVENTS: Final = 1000


class EventState(enum.StrEnum):
    """Where an event is in its course."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"
    CANCELED = "canceled"


class ArmedEvent(msgspec.Struct, frozen=True):
    """One event on the timeline.

    Attributes:
        event: What happens.
        course: When.
    """

    event: AnyEvent
    course: Course

    @property
    def id(self) -> str:
        """The event's name in the control plane."""
        return self.course.id

    def state(self, now: float) -> EventState:
        """Where the event is at `now` (seconds since the epoch)."""
        if self.course.canceled_at is not None and self.course.canceled_at < self.course.planned.end:
            return EventState.CANCELED
        if now < self.course.planned.start:
            return EventState.PENDING
        return EventState.ACTIVE if now < self.course.planned.end else EventState.ENDED


class UnknownEventError(LookupError):
    """No armed event has that id."""


class NotBegunError(RuntimeError):
    """What has not begun cannot end."""


class TooManyEventsError(RuntimeError):
    """The book is full."""


class EventBook(msgspec.Struct, frozen=True):
    """All armed events, the earliest armed first.

    Attributes:
        events: The events.
        last_number: How many were ever armed; ids are never used twice.
    """

    events: tuple[ArmedEvent, ...] = ()
    last_number: int = 0

    def arm(self, event: AnyEvent, now: float) -> EventBook:
        """Add an event; it is the last one of the book returned.

        Args:
            event: What happens and when.
            now: Seconds since the epoch.

        Raises:
            FieldError: A time among its fields cannot be read.
            TooManyEventsError: Over `MAX_EVENTS`.
        """
        if len(self.events) >= MAX_EVENTS:
            raise TooManyEventsError(f"{MAX_EVENTS} events are armed; remove some first")
        number = self.last_number + 1
        armed = _armed(event, f"{kind_of(event)}-{number}", now)
        return EventBook((*self.events, armed), number)

    def get(self, event_id: str) -> ArmedEvent:
        """The event with that id.

        Raises:
            UnknownEventError: There is none.
        """
        for armed in self.events:
            if armed.id == event_id:
                return armed
        raise UnknownEventError(unknown("event", event_id, (armed.id for armed in self.events), "no event is armed"))

    def cancel(self, event_id: str, now: float) -> EventBook:
        """Take an event back from now on; one that is over or canceled stays as it is.

        Raises:
            UnknownEventError: There is none.
        """
        armed = self.get(event_id)
        if armed.state(now) not in {EventState.PENDING, EventState.ACTIVE}:
            return self
        return self._put(replace(armed, course=replace(armed.course, canceled_at=now)))

    def end(self, event_id: str, now: float) -> EventBook:
        """Let an active event end now, as planned events do: maintenance is completed, not canceled.

        One that is over or canceled stays as it is.

        Raises:
            NotBegunError: It has not begun.
            UnknownEventError: There is none.
        """
        armed = self.get(event_id)
        state = armed.state(now)
        if state is EventState.PENDING:
            raise NotBegunError(f"{event_id} has not begun, so it cannot end; cancel it, or rearm it to begin now")
        if state is not EventState.ACTIVE:
            return self
        planned = Window(armed.course.planned.start, now)
        return self._put(replace(armed, course=replace(armed.course, planned=planned)))

    def rearm(self, event_id: str, now: float, *, in_: Duration | None = None, at: Instant | None = None) -> EventBook:
        """Start an event over, with the same length as before; it comes on top of the others.

        Args:
            event_id: Which one.
            now: Seconds since the epoch.
            in_: How long from now it starts.
            at: When it starts; without either it starts now.

        Raises:
            FieldError: The start cannot be read.
            UnknownEventError: There is none.
        """
        armed = self.get(event_id)
        event = replace(armed.event, in_=in_, at=at)
        again = _armed(event, event_id, now)
        return EventBook((*(other for other in self.events if other.id != event_id), again), self.last_number)

    def remove(self, event_id: str) -> EventBook:
        """Forget an event altogether; nothing of it stays visible.

        Raises:
            UnknownEventError: There is none.
        """
        gone = self.get(event_id)
        return EventBook(tuple(armed for armed in self.events if armed is not gone), self.last_number)

    def clear(self) -> EventBook:
        """Forget all events."""
        return EventBook((), self.last_number)

    def _put(self, changed: ArmedEvent) -> EventBook:
        events = tuple(changed if armed.id == changed.id else armed for armed in self.events)
        return EventBook(events, self.last_number)


def _armed(event: AnyEvent, event_id: str, now: float) -> ArmedEvent:
    """Read all times of an event, so that a bad one is named here and not in a metadata request.

    Raises:
        FieldError: A field cannot be read; names all that cannot.
    """
    problems: list[WrongField] = []
    window = Window(now)
    try:
        window = event.window(now)
    except FieldError as error:
        problems += error.problems
    armed = ArmedEvent(event, Course(event_id, window))
    try:
        for _path, layer in event.layers(armed.course):
            layer.body(window.start, None)
    except FieldError as error:
        problems += error.problems
    raise_if_any(problems)
    return armed


def remaining_seconds(armed: ArmedEvent, now: float) -> float | None:
    """How long an event still holds; None if it has no end or is over."""
    end = armed.course.window.end
    return end - now if math.isfinite(end) and end > now else None
