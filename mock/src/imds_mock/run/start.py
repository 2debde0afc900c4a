"""From a way to read the configuration to a mock that serves: all parts of a run, put together."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from imds_mock.config.errors import ConfigError
from imds_mock.credentials.kept import NotKept
from imds_mock.driving.driven import Driven
from imds_mock.driving.views import ConflictingPathsError
from imds_mock.events.armed import TooManyEventsError
from imds_mock.faults.armed import TooManyFaultsError
from imds_mock.run.assembly import Assembly
from imds_mock.run.control_start import open_listeners
from imds_mock.run.control_start import run as run_control
from imds_mock.run.neighbours import KnownNeighbours
from imds_mock.run.reloading import follow
from imds_mock.run.scenario_targets import report_unmatched
from imds_mock.run.serving import serve
from imds_mock.run.working_credentials import WorkingCredentials
from imds_mock.signing.process import prepare as prepare_signatures
from imds_mock.signing.signer import Signer
from imds_mock.wire.announcement import announce

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.aemm.compatibility import Compatibility
    from imds_mock.config.settings import Config
    from imds_mock.credentials.kept import Kept
    from imds_mock.credentials.orders import Order
    from imds_mock.driving.described import Described
    from imds_mock.events.scenario import Scenario
    from imds_mock.run.file_changes import Mark
    from imds_mock.run.serving import Companion

_KEYS_AFTER_SECONDS = 0.5
_LOOK_AGAIN_SECONDS = 1.0


def start(
    config: Config,
    read: Callable[[], Config],
    watched: tuple[Path, Mark] | None,
    scenario: Scenario | None = None,
    reason: str = "",
) -> None:
    """Serve until a signal says stop.

    Args:
        config: The configuration.
        read: Reads it anew; is called whenever it may have changed.
        watched: The file whose changes are taken over, and its state before `config` was read from it.
        scenario: Is played from the start on.
        reason: Why the profile is another than the real service's; empty for the setting `profile`.

    Raises:
        MockError: The configuration cannot be used, or an address not be listened on.
    """
    key_directory = config.signing.key_directory
    signer = Signer(None if key_directory is None else Path(key_directory))
    started = time.time()
    working = WorkingCredentials(started)
    description = Description(started, signer, reason or "the setting profile", working.keep)
    driven = Driven(config, description)
    description.describes(driven)
    working.config = lambda: driven.state.config
    driven.first_credentials = working.first_of
    driven.caught_up = working.caught_up
    if scenario is not None:
        _play(driven, scenario)
    file, seen = watched or (None, None)
    companions: list[Companion] = [
        lambda _store: follow(driven, read, file, seen),
        lambda _store: driven.keep_targets_known(),
        lambda _store: announce(config.server.hosts),
    ]
    if scenario is not None:
        companions.append(lambda _store: report_unmatched(driven, scenario))
    if config.profile != "aemm":
        companions.append(lambda _store: _prepare(signer, lambda: driven.state.config))
    listeners = open_listeners(config, os.environ) if config.control.enabled else None
    if listeners is not None:
        companions.append(lambda _store: run_control(driven, config, listeners))

    async def before() -> None:
        await working.first()
        if config.profile != "aemm" and key_directory is not None:
            # What is wrong with the folder is said before the mock says that it answers.
            await prepare_signatures(signer)

    try:
        serve(config, driven.state.snapshot_for(""), companions, driven, before)
    finally:
        if listeners is not None:
            listeners.close()


def _play(driven: Driven, scenario: Scenario) -> None:
    try:
        driven.state.begin(scenario)
    except (ConflictingPathsError, TooManyEventsError, TooManyFaultsError) as error:
        raise ConfigError(f"the scenario cannot be played: {error}") from error


class Description:
    """Turns a configuration into what it describes, by its profile.

    Args:
        started: When the mock started, in seconds since the epoch.
        signer: What signs the identity document.
        reason: Why the profile is another than the real service's.
        keep: Has working credentials fetched and kept fresh.
    """

    def __init__(self, started: float, signer: Signer, reason: str, keep: Callable[[Order], Kept] = NotKept) -> None:
        self._started = started
        self._reason = reason
        self._keep = keep
        self._neighbours = KnownNeighbours()
        self._assembly = Assembly(started, signer, keep, self._neighbours)
        self._compatibility: Compatibility | None = None

    def describes(self, driven: Driven) -> None:
        """Connect it with the mock that it describes.

        Args:
            driven: Knows the containers; its reset forgets which ECS tasks were protected.
        """
        self._neighbours.driven = driven
        driven.state.at_reset = self._assembly.protections.clear

    def __call__(self, config: Config) -> Described:
        """Describe a configuration.

        Raises:
            ConfigError: It contradicts itself.
        """
        if config.profile != "aemm":
            return self._assembly.describe(config)
        if self._compatibility is None:
            from imds_mock.aemm.compatibility import Compatibility  # noqa: PLC0415 - the real service needs none of it

            self._compatibility = Compatibility(self._started, self._reason, self._keep)
        return self._compatibility.describe(config)


async def _prepare(signer: Signer, config: Callable[[], Config]) -> None:
    if signer.key_directory is None:
        # Making keys takes the processor from those that wait for the first response.
        await asyncio.sleep(_KEYS_AFTER_SECONDS)
        await prepare_signatures(signer)
    while True:
        if config().identity != "shared":
            # Every container's document is signed here when it asks; loading what for takes a tenth of a second.
            await asyncio.to_thread(signer.prepare)
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
