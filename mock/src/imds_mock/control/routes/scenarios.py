"""Previews of scenarios: the steps that a text describes, without arming anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from imds_mock.callers.target_matching import match_target
from imds_mock.control.operations import Operation
from imds_mock.control.shown import moment
from imds_mock.events.scenario import Scenario, read_scenario_text

if TYPE_CHECKING:
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.events.kinds import AnyEvent
    from imds_mock.faults.kinds import AnyFault

MAX_CHARACTERS: Final = 16_384
"""Longest text: YAML takes much longer to read than JSON."""


class ScenarioText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario as it is written in a file."""

    text: Annotated[str, Meta(description="YAML or JSON.", max_length=MAX_CHARACTERS)]


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a scenario that would begin now."""

    what: Annotated[Literal["event", "fault"], Meta(description="Whether the step arms an event or a fault.")]
    kind: Annotated[str, Meta(description="Kind of event or fault.")]
    starts: Annotated[str, Meta(description="Time of the start on the mock's clock.")]
    ends: Annotated[str | None, Meta(description="Time of the end; null: no end.")]
    after_seconds: Annotated[float, Meta(description="Time from the beginning of the scenario to the start.")]
    target: Annotated[str | None, Meta(description="The target; null: every caller.")]
    callers: Annotated[int | None, Meta(description="Number of callers that the target matches; null: every caller.")]
    warning: Annotated[str | None, Meta(description="Why the target matches no caller, and what to do.")]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario and its steps."""

    scenario: Annotated[Scenario, Meta(description="The scenario, to be played by `POST /v1/scenarios`.")]
    steps: Annotated[tuple[PlannedStep, ...], Meta(description="Its steps, the earliest first.")]


class ScenarioRoutes:
    """The operation on scenarios as text."""

    group: Final = "events"

    def __init__(self, context: ControlContext) -> None:
        self._context = context

    def operations(self) -> list[Operation]:
        """List the operations."""
        path, preview = "/v1/scenarios/preview", "Read the text of a scenario and list its steps; arms nothing"
        return [Operation("POST", path, preview, self.preview, Preview, body=ScenarioText)]

    async def preview(self, call: Call) -> Preview:
        """Read the text of a scenario."""
        scenario = read_scenario_text(call.body.text, "scenario")
        now = self._context.state.clock()
        events, faults = scenario.timeline(now)
        await self._context.look_up(*(each.target for each in (*events, *faults)))
        steps = [self._step("event", each, now) for each in events]
        steps += [self._step("fault", each, now) for each in faults]
        return Preview(scenario=scenario, steps=tuple(sorted(steps, key=lambda step: step.after_seconds)))

    def _step(self, what: Literal["event", "fault"], planned: AnyEvent | AnyFault, now: float) -> PlannedStep:
        window = planned.window(now)
        found = None if planned.target is None else match_target(self._context.callers, planned.target)
        return PlannedStep(
            what=what,
            kind=planned.kind,
            starts=moment(window.start),
            ends=None if math.isinf(window.end) else moment(window.end),
            after_seconds=round(window.start - now, 3),
            target=planned.target,
            callers=None if found is None else len(found.callers),
            warning=None if found is None else found.warning,
        )
