"""From a way to read the configuration to a mock that serves: all parts of a run, put together."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from imds_mock.build.builder import SnapshotBuilder
from imds_mock.config.errors import ConfigError
from imds_mock.control.start import open_listeners
from imds_mock.control.start import run as run_control
from imds_mock.events.armed import TooManyEventsError
from imds_mock.faults.armed import TooManyFaultsError
from imds_mock.run.known_containers import RegisteredContainers
from imds_mock.run.reloading import follow
from imds_mock.run.scenario_targets import report_unmatched
from imds_mock.run.serving import serve
from imds_mock.run.working_credentials import WorkingCredentials
from imds_mock.signing.process import prepare_signatures
from imds_mock.signing.signer import Signer
from imds_mock.state.runtime import Runtime
from imds_mock.state.snapshots import ConflictingPathsError
from imds_mock.wire.announcement import announce

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.settings import Config
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
        reason: Why `compatibility` is not `imds`; empty for the setting itself.

    Raises:
        MockError: The configuration cannot be used, or an address not be listened on.
    """
    key_directory = config.signing.key_directory
    signer = Signer(None if key_directory is None else Path(key_directory))
    started = time.time()
    working = WorkingCredentials(started)
    known_containers = RegisteredContainers()
    builder = SnapshotBuilder(started, signer, reason or "the setting compatibility", working.keep, known_containers)
    runtime = Runtime(config, builder)
    known_containers.runtime = runtime
    runtime.state.at_reset = builder.reset
    working.config = lambda: runtime.state.config
    runtime.first_credentials = working.first_of
    runtime.caught_up = working.caught_up
    if scenario is not None:
        _play(runtime, scenario)
    file, seen = watched or (None, None)
    companions: list[Companion] = [
        lambda _store: follow(runtime, read, file, seen),
        lambda _store: runtime.keep_targets_known(),
        lambda _store: announce(config.server.hosts),
    ]
    if scenario is not None:
        companions.append(lambda _store: report_unmatched(runtime, scenario))
    if config.compatibility != "aemm":
        companions.append(lambda _store: _prepare(signer, lambda: runtime.state.config))
    listeners = open_listeners(config, os.environ) if config.control.enabled else None
    if listeners is not None:
        companions.append(lambda _store: run_control(runtime, config, listeners))

    async def before() -> None:
        await working.first()
        if config.compatibility != "aemm" and key_directory is not None:
            # What is wrong with the folder is said before the mock says that it answers.
            await prepare_signatures(signer)

    try:
        serve(config, runtime.state.snapshot_for(""), companions, runtime, before)
    finally:
        if listeners is not None:
            listeners.close()


def _play(runtime: Runtime, scenario: Scenario) -> None:
    try:
        runtime.state.begin(scenario)
    except (ConflictingPathsError, TooManyEventsError, TooManyFaultsError) as error:
        raise ConfigError(f"the scenario cannot be played: {error}") from error


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
