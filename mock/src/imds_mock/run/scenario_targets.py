"""Says of a scenario's targets when their steps begin that they match no caller: a misspelt name hits no one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imds_mock.callers.target_matching import match_target
from imds_mock.log import say

if TYPE_CHECKING:
    from imds_mock.events.scenario import Scenario
    from imds_mock.state.runtime import Runtime


async def report_unmatched(runtime: Runtime, scenario: Scenario) -> None:
    """Log each target of a scenario that matches no caller when its first step begins, once.

    Args:
        runtime: The mock that plays it.
        scenario: The scenario; it begins now.
    """
    passed = 0.0
    for target, start in _first_starts(scenario):
        await asyncio.sleep(start - passed)
        passed = start
        await runtime.callers.resolve_targets(runtime.state.targets() | {target})
        await runtime.callers.look_up(runtime.callers.addresses(target))
        if warning := match_target(runtime.callers, target).warning:
            say(f"scenario: {warning}")


def _first_starts(scenario: Scenario) -> list[tuple[str, float]]:
    """Each target and how many seconds after the beginning its first step begins, the earliest first."""
    events, faults = scenario.timeline(0.0)
    starts: dict[str, float] = {}
    for each in (*events, *faults):
        if each.target is not None:
            start = float(each.at or 0.0)
            starts[each.target] = min(start, starts.get(each.target, start))
    return sorted(starts.items(), key=lambda item: item[1])
