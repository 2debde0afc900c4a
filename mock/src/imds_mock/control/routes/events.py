"""Events and scenarios: armed, listed, cancelled, re-armed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.control import shown
from imds_mock.control.operations import Noted, Operation
from imds_mock.control.shown import ShownEvent, ShownFault
from imds_mock.events.kinds import AnyEvent
from imds_mock.events.scenario import Scenario
from imds_mock.scheduling.schedule import Duration, Instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.events.armed import ArmedEvent, EventBook


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"in_": "in"}):
    """When an event starts over; neither field means now.

    Attributes:
        in_: How long from now (`in`).
        at: When.
    """

    in_: Duration | None = None
    at: Instant | None = None


class Played(msgspec.Struct, frozen=True):
    """What a scenario has put on the clock."""

    events: tuple[ShownEvent, ...]
    faults: tuple[ShownFault, ...]


class EventRoutes:
    """The operations on events.

    Args:
        cockpit: What they drive.
    """

    group: Final = "events"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """All of them."""
        one = "/v1/events/{id}"
        return [
            Operation("GET", "/v1/events", "List the events", self.list, tuple[ShownEvent, ...]),
            Operation(
                "POST",
                "/v1/events",
                "Arm an event",
                self.arm,
                ShownEvent,
                body=AnyEvent,
                status=201,
                problems=(409,),
                notes=True,
            ),
            Operation("DELETE", "/v1/events", "Forget all events", self.clear, None),
            Operation("GET", one, "Show an event", self.show, ShownEvent, problems=(404,)),
            Operation("DELETE", one, "Forget an event", self.remove, None, problems=(404,)),
            Operation(
                "POST", f"{one}/cancel", "Take an event back from now on", self.cancel, ShownEvent, problems=(404,)
            ),
            Operation(
                "POST",
                f"{one}/end",
                "Let an active event end now, as if it were over",
                self.end,
                ShownEvent,
                problems=(404, 409),
            ),
            Operation(
                "POST",
                f"{one}/rearm",
                "Start an event over",
                self.rearm,
                ShownEvent,
                body=Start,
                optional_body=True,
                problems=(404, 409),
                notes=True,
            ),
            Operation(
                "POST",
                "/v1/scenarios",
                "Play a scenario from now on",
                self.play,
                Played,
                body=Scenario,
                status=201,
                problems=(409,),
                notes=True,
            ),
        ]

    async def list(self, _call: Call) -> tuple[ShownEvent, ...]:
        """All events, the earliest armed first."""
        await self._context.look_up()
        now = self._state.clock()
        return tuple(shown.event(each, now, self._context.callers) for each in self._state.events.events)

    async def arm(self, call: Call) -> Noted:
        """One more event."""
        await self._context.look_up(call.body.target)
        return await self._take(self._state.events.arm(call.body, self._state.clock()))

    async def clear(self, _call: Call) -> None:
        """No events any more."""
        self._state.schedule(self._state.events.clear())

    async def show(self, call: Call) -> ShownEvent:
        """One event."""
        await self._context.look_up()
        return self._shown(call)

    async def remove(self, call: Call) -> None:
        """One event less."""
        self._state.schedule(self._state.events.remove(call.path["id"]))

    async def cancel(self, call: Call) -> ShownEvent:
        """The event is taken back."""
        self._state.schedule(self._state.events.cancel(call.path["id"], self._state.clock()))
        return self._shown(call)

    async def end(self, call: Call) -> ShownEvent:
        """The event is over."""
        self._state.schedule(self._state.events.end(call.path["id"], self._state.clock()))
        return self._shown(call)

    async def rearm(self, call: Call) -> Noted:
        """The event begins again."""
        await self._context.look_up()
        events = self._state.events
        return await self._take(events.rearm(call.path["id"], self._state.clock(), in_=call.body.in_, at=call.body.at))

    async def play(self, call: Call) -> Noted:
        """All steps of a scenario, or none."""
        scenario: Scenario = call.body
        now = self._state.clock()
        events, faults = scenario.timeline(now)
        await self._context.look_up(*(each.target for each in (*events, *faults)))
        armed_events, armed_faults = self._state.play(scenario)
        callers = self._context.callers
        played = Played(
            tuple(shown.event(each, now, callers) for each in armed_events),
            tuple(shown.fault(each, now, callers) for each in armed_faults),
        )
        return Noted(played, await self._renewed(armed_events))

    async def _take(self, events: EventBook) -> Noted:
        self._state.schedule(events)
        armed = events.events[-1]
        shown_event = shown.event(armed, self._state.clock(), self._context.callers)
        return Noted(shown_event, await self._renewed((armed,)))

    async def _renewed(self, armed: Iterable[ArmedEvent]) -> Sequence[str]:
        """Wait for the credentials that events renew now; gives a sentence for each role whose keys stay."""
        now = self._state.clock()
        targets = [each.event.target for each in armed if each.event.renews_credentials and now in each.course.window]
        return await self._context.renew_credentials(targets) if targets else []

    def _shown(self, call: Call) -> ShownEvent:
        armed = self._state.events.get(call.path["id"])
        return shown.event(armed, self._state.clock(), self._context.callers)
