"""A mock as a whole program: signals, event loop and garbage collector of the process around a `Mock`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from imds_mock.control_socket import folders
from imds_mock.log import say, say_limited, standard_error
from imds_mock.run.dependencies import Dependencies
from imds_mock.run.mock import Mock
from imds_mock.unused_modules import import_with
from imds_mock.wire.descriptors import raise_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imds_mock.config.settings import Config
    from imds_mock.events.scenario import Scenario
    from imds_mock.run.ready_file import ReadyFile
    from imds_mock.run.reloading import ConfigSource


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop  # noqa: PLC0415 - imported by `import_with`

    return uvloop.new_event_loop


try:
    LOOP_FACTORY = import_with(_uvloop)
except ImportError:  # it does not exist for Windows
    LOOP_FACTORY = asyncio.new_event_loop

_SWITCH_SECONDS: Final = 0.001
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run(
    config: Config,
    source: ConfigSource,
    environ: Mapping[str, str],
    scenario: Scenario | None = None,
    ready_path: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the responses in progress. SIGHUP reloads the configuration.

    Args:
        config: The configuration.
        source: Where it comes from.
        environ: Environment variables.
        scenario: Played from the start.
        ready_path: File that says where the mock answers, while it does.

    Raises:
        MockError: The mock cannot start, or a part of it has failed.
    """
    ready_file = None
    if ready_path is not None:
        from imds_mock.run.ready_file import ReadyFile  # noqa: PLC0415 - few starts have one

        ready_file = ReadyFile(ready_path)
    try:
        _serve(config, source, environ, scenario, ready_file)
    finally:
        if ready_file is not None:
            ready_file.remove()


def _serve(
    config: Config,
    source: ConfigSource,
    environ: Mapping[str, str],
    scenario: Scenario | None,
    ready_file: ReadyFile | None,
) -> None:
    dependencies = Dependencies(
        log=say,
        log_limited=say_limited,
        access_log=None if config.server.access_log_file or config.server.access_log == "off" else standard_error(),
        socket_folders=folders(environ, os.geteuid()),
    )
    mock = Mock(config, source=source, scenario=scenario, dependencies=dependencies)
    raise_limit(config.server.max_connections, with_control=config.control.enabled)
    # A thread that reads files or loads code lets the event loop run after 1 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
        runner.run(_run(mock, ready_file))


async def _run(mock: Mock, ready_file: ReadyFile | None) -> None:
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    async with mock:
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, told_to_stop.set)
        loop.add_signal_handler(signal.SIGHUP, mock.reload)
        say(_start_message(mock))
        # Everything that exists now lives as long as the program, so the collector need not check it again.
        gc.freeze()
        gc.enable()
        waits = [loop.create_task(each) for each in (told_to_stop.wait(), mock.failed())]
        starting = loop.create_task(_finish_start(mock, ready_file))
        try:
            await asyncio.wait([*waits, starting], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waits, starting):
                task.cancel()
            # A second signal ends the program at once, as without a handler.
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)
            await asyncio.gather(*waits, starting, return_exceptions=True)


async def _finish_start(mock: Mock, ready_file: ReadyFile | None) -> None:
    if mock.control_url is not None:
        await mock.control_ready.wait()
        gc.freeze()
    if ready_file is not None:
        ready_file.write(mock)


def _start_message(mock: Mock) -> str:
    snapshot = mock.state.snapshot_for("")
    compatibility = snapshot.compatibility
    why = f" (compatibility {compatibility.name}: {compatibility.reason})" if compatibility.reason else ""
    return f"{snapshot.instance.decode()} answers on {', '.join(map(str, mock.addresses))}{why}"
