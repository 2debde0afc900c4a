"""The operations on events, and on scenarios, which arm events and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from imds_mock.control.operations import Noted, Operation
from imds_mock.control.routes.faults import ShownFault, shown_fault
from imds_mock.control.shown import ShownArmed, armed_fields, moment
from imds_mock.events.kinds import AnyEvent
from imds_mock.events.scenario import Scenario
from imds_mock.scheduling.schedule import Duration, Instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.events.armed import ArmedEvent, ArmedEvents


class ShownEvent(ShownArmed, frozen=True, kw_only=True):
    """An armed event."""

    action: Annotated[
        str | None, Meta(description="What the event announces, in one word, such as `terminate`; null: nothing.")
    ]
    action_at: Annotated[str | None, Meta(description="Time of what the event announces; null: nothing.")]
    event: Annotated[AnyEvent, Meta(description="The event as it was given.")]


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"in_": "in"}):
    """When an event starts again; without a field it starts now."""

    in_: Annotated[Duration | None, Meta(description="Time until the start.")] = None
    at: Annotated[Instant | None, Meta(description="Time of the start, instead of `in`.")] = None


class Played(msgspec.Struct, frozen=True):
    """The events and faults that a scenario has armed."""

    events: tuple[ShownEvent, ...]
    faults: tuple[ShownFault, ...]


class EventRoutes:
    """The operations on events.

    Args:
        context: The running mock.
    """

    group: Final = "events"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """All operations."""
        every, one = "/v1/events", "/v1/events/{id}"
        armed: dict[str, Any] = {"status": 201, "problems": (409,), "notes": True}
        rearmed: dict[str, Any] = {"problems": (404, 409), "notes": True, "optional_body": True}
        return [
            Operation("GET", every, "List the events", self.list, tuple[ShownEvent, ...]),
            Operation("POST", every, "Arm an event", self.arm, ShownEvent, body=AnyEvent, **armed),
            Operation("DELETE", every, "Remove all events", self.clear, None),
            Operation("GET", one, "Show an event", self.show, ShownEvent, problems=(404,)),
            Operation("DELETE", one, "Remove an event", self.remove, None, problems=(404,)),
            Operation("POST", f"{one}/cancel", "Cancel an event", self.cancel, ShownEvent, problems=(404,)),
            Operation("POST", f"{one}/end", "End an active event", self.end, ShownEvent, problems=(404, 409)),
            Operation("POST", f"{one}/rearm", "Start an event again", self.rearm, ShownEvent, body=Start, **rearmed),
            Operation("POST", "/v1/scenarios", "Play a scenario", self.play, Played, body=Scenario, **armed),
        ]

    async def list(self, _call: Call) -> tuple[ShownEvent, ...]:
        """All events, the earliest armed first."""
        await self._context.look_up()
        return tuple(map(self._shown, self._state.events.events))

    async def arm(self, call: Call) -> Noted:
        """Arm an event."""
        await self._context.look_up(call.body.target)
        return await self._schedule(self._state.events.arm(call.body, self._state.clock()))

    async def clear(self, _call: Call) -> None:
        """Remove all events."""
        self._state.schedule(self._state.events.clear())

    async def show(self, call: Call) -> ShownEvent:
        """One event."""
        await self._context.look_up()
        return self._shown(self._state.events.get(call.path["id"]))

    async def remove(self, call: Call) -> None:
        """Remove an event."""
        self._state.schedule(self._state.events.remove(call.path["id"]))

    async def cancel(self, call: Call) -> ShownEvent:
        """Cancel an event."""
        return self._change(call, self._state.events.cancel)

    async def end(self, call: Call) -> ShownEvent:
        """End an active event."""
        return self._change(call, self._state.events.end)

    async def rearm(self, call: Call) -> Noted:
        """Start an event again."""
        await self._context.look_up()
        now, start = self._state.clock(), call.body
        return await self._schedule(self._state.events.rearm(call.path["id"], now, in_=start.in_, at=start.at))

    async def play(self, call: Call) -> Noted:
        """Arm all steps of a scenario, or none."""
        scenario: Scenario = call.body
        events, faults = scenario.timeline(self._state.clock())
        await self._context.look_up(*(each.target for each in (*events, *faults)))
        armed_events, armed_faults = self._state.play(scenario)
        played = Played(
            tuple(map(self._shown, armed_events)), tuple(shown_fault(each, self._context) for each in armed_faults)
        )
        return Noted(played, await self._renew_credentials(armed_events))

    def _change(self, call: Call, change: Callable[[str, float], ArmedEvents]) -> ShownEvent:
        event_id = call.path["id"]
        self._state.schedule(change(event_id, self._state.clock()))
        return self._shown(self._state.events.get(event_id))

    async def _schedule(self, events: ArmedEvents) -> Noted:
        """Put events in force, the last of which was just armed."""
        self._state.schedule(events)
        armed = events.events[-1]
        shown = self._shown(armed)
        return Noted(shown, await self._renew_credentials((armed,)))

    async def _renew_credentials(self, armed: Iterable[ArmedEvent]) -> Sequence[str]:
        """Wait for the credentials that events renew now; returns a sentence for each role whose keys stay the same."""
        now = self._state.clock()
        targets = [each.event.target for each in armed if each.event.renews_credentials and now in each.period.window]
        return await self._context.renew_credentials(targets) if targets else []

    def _shown(self, armed: ArmedEvent) -> ShownEvent:
        window, now = armed.period.window, self._state.clock()
        fields = armed_fields(armed, armed.event, window, now, self._context.callers)
        what, when = armed.event.consequence(armed.period.planned.start) or (None, None)
        return ShownEvent(**fields, action=what, action_at=None if when is None else moment(when), event=armed.event)
