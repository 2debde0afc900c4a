"""Background tasks of a run: signatures, the look-up of targets, and a warning about targets that match no caller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from imds_mock.callers.target_matching import match_target
from imds_mock.signing.process import prepare_signatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.clock import MockClock
    from imds_mock.config.settings import Config
    from imds_mock.events.scenario import Scenario
    from imds_mock.signing.signer import Signer
    from imds_mock.state.runtime import Runtime

_KEYS_AFTER_SECONDS: Final = 0.5
_CHECK_SECONDS: Final = 1.0
_TARGET_SECONDS: Final = 5.0


async def keep_signatures_ready(signer: Signer, config: Callable[[], Config]) -> None:
    """Have the keys made soon after the start, and sign in this process once containers have documents of their own.

    Args:
        signer: Signs the identity document.
        config: Returns the configuration in force.

    Raises:
        KeyDirectoryError: The folder of keys cannot be used.
    """
    if signer.key_directory is None:
        # Later, because making keys would take the processor from the first requests.
        await asyncio.sleep(_KEYS_AFTER_SECONDS)
        await prepare_signatures(signer)
    while True:
        if config().identity != "shared":
            # Every container's document is signed here on request; loading the library takes a tenth of a second.
            await asyncio.to_thread(signer.prepare)
            return
        await asyncio.sleep(_CHECK_SECONDS)


async def refresh_targets(runtime: Runtime, clock: MockClock) -> None:
    """Look up the targets of events and faults every few seconds: containers come and go, and clocks are set.

    Args:
        runtime: The mock.
        clock: The mock's time; after a move the targets are looked up at once.
    """
    while True:
        runtime.state.check_clock()
        await runtime.callers.resolve_targets(runtime.state.targets())
        await clock.sleep(_TARGET_SECONDS)


async def report_unmatched(
    runtime: Runtime, scenario: Scenario, began: float, clock: MockClock, log: Callable[[str], None]
) -> None:
    """Log each target of a scenario that matches no caller when its first step begins: its name may be misspelt.

    Args:
        runtime: The mock that plays the scenario.
        scenario: The scenario.
        began: When it began, in seconds since the epoch.
        clock: The mock's time.
        log: Receives the sentences.
    """
    for target, start in _first_starts(scenario):
        await clock.sleep_until(began + start)
        await runtime.callers.resolve_targets(runtime.state.targets() | {target})
        await runtime.callers.look_up(runtime.callers.addresses(target))
        if warning := match_target(runtime.callers, target).warning:
            log(f"scenario: {warning}")


def _first_starts(scenario: Scenario) -> list[tuple[str, float]]:
    """Each target, and after how many seconds its first step begins, the earliest first."""
    events, faults = scenario.timeline(0.0)
    starts: dict[str, float] = {}
    for each in (*events, *faults):
        if each.target is not None:
            start = float(each.at or 0.0)
            starts[each.target] = min(start, starts.get(each.target, start))
    return sorted(starts.items(), key=lambda item: item[1])
