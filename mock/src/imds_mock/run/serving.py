"""One run of the mock: from a configuration to a listener, and to its end when a signal says so."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import uvloop

from imds_mock.addresses import host_and_port
from imds_mock.errors import LogFileError, MockError
from imds_mock.log import Outlet, say, say_limited, standard_error
from imds_mock.service.rules import Service
from imds_mock.service.snapshot import Store
from imds_mock.service.tokens import Tokens
from imds_mock.wire.accesslog import AccessLog
from imds_mock.wire.context import ServerContext, Timeouts, no_wait
from imds_mock.wire.descriptors import shares
from imds_mock.wire.parsing import Limits, ParseCache
from imds_mock.wire.server import DataPlane, open_sockets

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from imds_mock.config.settings import Config, ServerSettings
    from imds_mock.service.snapshot import Snapshot
    from imds_mock.state.runtime import Runtime

_LOG_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_LOG_MODE: Final = 0o640
_SWITCH_SECONDS: Final = 0.001


Companion = Callable[[Store], Coroutine[Any, Any, None]]
"""What runs beside the listener, on the same event loop, until the end; an exception from it ends the run."""


def serve(
    config: Config,
    snapshot: Snapshot,
    companions: Sequence[Companion] = (),
    runtime: Runtime | None = None,
    before: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the answers under way.

    Args:
        config: The merged configuration.
        snapshot: What is served first.
        companions: What runs beside it.
        runtime: What changes the answers while they are served; it takes the place of the snapshot.
        before: What has to be done before the first request is answered; whoever connects meanwhile waits.

    Raises:
        ListenError: An address cannot be listened on.
        LogFileError: The access log's file cannot be opened.
        MockError: A companion cannot do its work.
    """
    sockets = open_sockets(config.server.hosts, config.server.port)
    # A thread that reads files or loads code gives the event loop its turn after 1 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if before is not None:
            runner.run(before())
        runner.run(_serve(config, Store(snapshot), sockets, companions, runtime))


async def _serve(
    config: Config,
    store: Store,
    sockets: Sequence[socket.socket],
    companions: Sequence[Companion],
    runtime: Runtime | None,
) -> None:
    settings = config.server
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)

    def stop_if_failed(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            told_to_stop.set()

    log = _access_log(settings, loop)
    snapshot_for = runtime.state.snapshot_for if runtime else lambda _caller: store.current
    service = Service(snapshot_for, Tokens(), secrets.token_hex(8))
    context = ServerContext(
        runtime.respond_with(service) if runtime else service.respond,
        (*((log.record,) if log else ()), *(runtime.observers if runtime else ())),
        time.time,
        loop.time,
        limits=Limits(
            settings.max_target_bytes, settings.max_head_bytes, settings.max_headers, settings.max_body_bytes
        ),
        timeouts=Timeouts(settings.head_timeout_seconds, settings.idle_timeout_seconds, settings.write_timeout_seconds),
        bad_request_content_type=store.current.options.bad_request_content_type,
        malformed_response=store.current.compatibility.malformed_response,
        report_error=_report,
        identify_caller=runtime.identify_caller if runtime else no_wait,
        await_credentials=runtime.await_credentials if runtime else no_wait,
        parse_cache=ParseCache(runtime.any_host) if runtime else ParseCache(),
    )
    most = shares(settings.max_connections, with_control=config.control.enabled).data
    plane = DataPlane(context, most)
    await plane.start(sockets)
    compatibility = store.current.compatibility
    why = f" (compatibility {compatibility.name}: {compatibility.reason})" if compatibility.reason else ""
    say(f"{store.current.instance.decode()} answers on {_addresses(sockets)}{why}")
    running = [loop.create_task(companion(store)) for companion in companions]
    for task in running:
        task.add_done_callback(stop_if_failed)
    # What exists now lives as long as the program: the collector need not look at it again.
    gc.freeze()
    await told_to_stop.wait()
    # A second signal ends the program at once, as without a handler.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    await plane.stop(settings.stop_grace_seconds)
    if log:
        log.flush()
    for task in running:
        if task.done():
            task.result()
        task.cancel()


def _report(error: Exception) -> None:
    if isinstance(error, MockError):
        say_limited(str(error))
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def _access_log(settings: ServerSettings, loop: asyncio.AbstractEventLoop) -> AccessLog | None:
    if settings.access_log == "off":
        return None
    if settings.access_log_file is None:
        outlet = standard_error()
    else:
        try:
            outlet = Outlet(os.open(settings.access_log_file, _LOG_FLAGS, _LOG_MODE))
        except OSError as error:
            raise LogFileError(settings.access_log_file, error) from error
        atexit.register(outlet.close)
    return AccessLog(outlet, settings.access_log, loop)


def _addresses(sockets: Sequence[socket.socket]) -> str:
    names = (listening.getsockname() for listening in sockets)
    return ", ".join(host_and_port(host, port) for host, port, *_ in names)
