"""A mock as one object: sockets, state and background tasks, from entering its `async with` block to leaving it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from msgspec.structs import replace

from imds_mock.addresses import Address
from imds_mock.build.builder import SnapshotBuilder
from imds_mock.build.loading import from_document
from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config
from imds_mock.control.context import ControlContext
from imds_mock.control.start import ControlSockets, serve_control
from imds_mock.errors import LogFileError, MockError
from imds_mock.events.armed import TooManyEventsError
from imds_mock.faults.armed import TooManyFaultsError
from imds_mock.log import Outlet
from imds_mock.run.background import keep_signatures_ready, refresh_targets, report_unmatched
from imds_mock.run.callers import RegisteredContainers, network_registry
from imds_mock.run.companions import Companions
from imds_mock.run.config_reader import ConfigReader
from imds_mock.run.credential_manager import CredentialManager
from imds_mock.run.file_changes import watch
from imds_mock.run.reloading import ConfigSource, Reloader
from imds_mock.service.answers import page
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from imds_mock.signing.process import prepare_signatures
from imds_mock.signing.signer import Signer
from imds_mock.state.runtime import Runtime
from imds_mock.state.snapshots import ConflictingPathsError
from imds_mock.wire.accesslog import AccessLog
from imds_mock.wire.announcement import announce
from imds_mock.wire.context import ServerContext, Timeouts
from imds_mock.wire.descriptors import shares
from imds_mock.wire.parsing import Limits, ParseCache
from imds_mock.wire.server import DataPlane
from imds_mock.wire.sockets import open_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.events.scenario import Scenario
    from imds_mock.service.snapshot import Snapshot
    from imds_mock.state.journal import Journal
    from imds_mock.state.journal_queries import JournalQueries
    from imds_mock.state.state import State

_LOG_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_LOG_MODE: Final = 0o640


def _discard(_sentence: str) -> None:
    """Log nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What a mock uses of the process around it. The defaults print nothing and share nothing between mocks.

    Attributes:
        clock: Wall clock in seconds since the epoch.
        monotonic: Monotonic clock in seconds, for the look-ups of callers. Timeouts use the event loop's clock.
        random: Returns a number from 0 to 1, for the probability of faults and the times of retries.
        log: Receives a sentence about the mock itself.
        log_limited: Receives a sentence that a caller can cause, so it may come often.
        access_log: Receives the access log unless a file is configured; None writes none.
        socket_folders: Folders for the control plane's Unix socket if the configuration does not name its path; the
            first usable one is taken. Empty: no Unix socket.
        callers: Who the callers are; None asks the kernel and the name server.
        signer: Signs the identity document; None uses the configured folder of keys.
        probe_id: What a probe is answered with; None makes one up.
    """

    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    log: Callable[[str], None] = _discard
    log_limited: Callable[[str], None] = _discard
    access_log: Outlet | None = None
    socket_folders: Sequence[Path] = ()
    callers: CallerRegistry | None = None
    signer: Signer | None = None
    probe_id: str | None = None


class Mock:
    """A mock that serves inside an `async with` block, once.

    It touches nothing of the process but its sockets, files, child processes and tasks: no signal handlers, no logging
    configuration, no environment variables. Any number of mocks can run on one event loop, each on its own port.

    Args:
        config: The configuration: settings, a mapping as in a file, or the path of a YAML or JSON file, whose changes
            take effect while the mock runs; None is the default.
        port: TCP port in place of the configured one; 0 takes a free one, for the control plane as well.
        source: Where `config` comes from, to read it again after a change; not needed if `config` is a path.
        scenario: Played from the start.
        dependencies: What the mock uses of the process around it.

    Attributes:
        addresses: Where the metadata service listens; empty before the block is entered.
        runtime: State, faults, journal, metrics and callers.
        respond: Answers a request without a connection, given the caller's address and the time.
        control_context: What the control plane's operations use.
        control_sockets: The control plane's sockets; None if it is off.
        control_ready: Set once the control plane's code is loaded; until then its clients wait.
        data_plane: The listener; None before the block is entered.

    Raises:
        ConfigError: The configuration is invalid.
    """

    def __init__(
        self,
        config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        port: int | None = None,
        source: ConfigSource | None = None,
        scenario: Scenario | None = None,
        dependencies: Dependencies | None = None,
    ) -> None:
        if isinstance(config, str | os.PathLike):
            path = Path(config)
            source = ConfigSource.watching(ConfigReader({}, {}, path, {}), path)
            config = source.read()
        elif not isinstance(config, Config):
            config = from_document(config or {})
        if port is not None:
            config = replace(config, server=replace(config.server, port=port))
        self._config = config
        self._in_force: Callable[[], Config] = lambda: config
        self._source = source
        self._scenario = scenario
        self._dependencies = use = dependencies or Dependencies()
        self._companions = Companions()
        self._resources = contextlib.ExitStack()
        self._is_aemm = config.compatibility == "aemm"
        started = use.clock()
        key_directory = config.signing.key_directory
        self._signer = use.signer or Signer(None if key_directory is None else Path(key_directory))
        self._credentials = CredentialManager(
            started=started,
            config=self._current_config,
            start_task=self._companions.start,
            clock=use.clock,
            random=use.random,
            report=use.log_limited,
        )
        callers = use.callers or network_registry(
            self._current_config, lambda: self.state.services, use.monotonic, self._resources
        )
        builder = SnapshotBuilder(
            started,
            self._signer,
            source.reason if source else "the setting compatibility",
            self._credentials.refreshable,
            RegisteredContainers(callers, self._snapshot_for),
        )
        self.runtime = Runtime(
            config,
            builder=builder,
            callers=callers,
            credentials=self._credentials,
            clock=use.clock,
            random=use.random,
            report=use.log_limited,
        )
        self._in_force = lambda: self.runtime.state.config
        if scenario is not None:
            self._play(scenario)
        service = Service(self.state.snapshot_for, Tokens(), use.probe_id or secrets.token_hex(8))
        self.respond = self.runtime.respond_with(service)
        self.control_context = ControlContext(
            state=self.state,
            callers=callers,
            journal=self.journal,
            queries=self.queries,
            request_metrics=self.runtime.request_metrics,
            reloads=self.runtime.reloads,
            wait_for_renewals=self._credentials.wait_for_renewals,
        )
        self.control_ready = asyncio.Event()
        self.data_plane: DataPlane | None = None
        self.addresses: tuple[Address, ...] = ()
        self.control_sockets: ControlSockets | None = None
        self._access_log: AccessLog | None = None
        self._reloader = Reloader(self.state, source.read, use.log, self.runtime.reloads) if source else None

    @property
    def state(self) -> State:
        """Configuration, events and faults in force."""
        return self.runtime.state

    @property
    def callers(self) -> CallerRegistry:
        """The known callers."""
        return self.runtime.callers

    @property
    def journal(self) -> Journal:
        """The recorded requests."""
        return self.runtime.journal

    @property
    def queries(self) -> JournalQueries:
        """Queries of the journal."""
        return self.runtime.queries

    @property
    def endpoint_url(self) -> str:
        """The URL of the metadata service, for clients on this machine.

        Raises:
            RuntimeError: The mock does not run.
        """
        if not self.addresses:
            raise RuntimeError("the mock does not run: enter its `async with` block first")
        return self.addresses[0].url

    @property
    def control_url(self) -> str | None:
        """The URL of the control plane, `http:` or else `unix:`; None if it is off."""
        return None if self.control_sockets is None else self.control_sockets.url

    async def failed(self) -> NoReturn:
        """Wait until a part of the mock fails, such as the control plane; leaving the block raises the same error.

        Raises:
            MockError: What failed, and why.
        """
        await self._companions.failed()

    def reload(self) -> None:
        """Read the configuration again soon. If it is invalid, everything stays as it is and the log says why."""
        if self._reloader is not None:
            self._reloader.request()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop(0.0)
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._stop(self._config.server.stop_grace_seconds)
        failure = self._companions.failure
        if failure is None or failure is error:
            return
        if error is None:
            raise failure
        error.add_note(f"Before that, the mock failed: {failure}")

    async def _start(self) -> None:
        settings, use = self._config.server, self._dependencies
        if self._config.control.enabled:
            self.control_sockets = ControlSockets.open(self._config, use.socket_folders, use.log)
            self._resources.callback(self.control_sockets.close)
        sockets = open_sockets(settings.hosts, settings.port)
        self.addresses = tuple(Address(*listening.getsockname()[:2]) for listening in sockets)
        limit = shares(settings.max_connections, with_control=self._config.control.enabled)
        try:
            self._open_access_log()
            self.data_plane = DataPlane(self._server_context(), limit.data)
            await self._credentials.start()
            if not self._is_aemm and self._signer.key_directory is not None:
                # A problem with the folder is reported before the mock says that it answers.
                await prepare_signatures(self._signer)
        except BaseException:
            for listening in sockets:
                listening.close()
            raise
        await self.data_plane.start(sockets)
        self._start_companions(limit.control)

    def _start_companions(self, control_connections: int) -> None:
        start, use = self._companions.start, self._dependencies
        source, reloader, scenario = self._source, self._reloader, self._scenario
        if source is not None and reloader is not None:
            start("the reload", reloader.run())
            if source.file is not None and self._config.server.watch_config:
                start("the file watcher", watch(source.file, reloader.request, source.seen))
        start("the look-up of targets", refresh_targets(self.runtime))
        start("the announcement of addresses", announce(self._config.server.hosts, use.log))
        if scenario is not None:
            start("the scenario", report_unmatched(self.runtime, scenario, use.log))
        if not self._is_aemm:
            start("the signing process", keep_signatures_ready(self._signer, self._current_config))
        if self.control_sockets is not None:
            serving = serve_control(
                self.control_context,
                self._config.control,
                self.control_sockets,
                connections=control_connections,
                ready=self._set_control_ready,
            )
            start("the control plane", serving)

    async def _stop(self, grace_seconds: float) -> None:
        if self.data_plane is not None:
            await self.data_plane.stop(grace_seconds)
        if self._access_log is not None:
            self._access_log.flush()
        await self._companions.stop()
        await self._credentials.close()
        await self.callers.close()
        self._resources.close()

    def _set_control_ready(self) -> None:
        self.control_ready.set()
        self._dependencies.log(f"control plane on {self.control_sockets}")

    def _server_context(self) -> ServerContext:
        settings, use, runtime = self._config.server, self._dependencies, self.runtime
        loop = asyncio.get_running_loop()
        snapshot = self.state.snapshot_for("")
        return ServerContext(
            self.respond,
            (*((self._access_log.record,) if self._access_log else ()), *runtime.observers),
            use.clock,
            loop.time,
            limits=Limits(
                settings.max_target_bytes, settings.max_head_bytes, settings.max_headers, settings.max_body_bytes
            ),
            timeouts=Timeouts(
                settings.head_timeout_seconds, settings.idle_timeout_seconds, settings.write_timeout_seconds
            ),
            malformed_response=snapshot.compatibility.malformed_response
            or page(400, snapshot.options.bad_request_content_type),
            report_error=self._report_error,
            identify_caller=runtime.identify_caller,
            await_credentials=runtime.await_credentials,
            parse_cache=ParseCache(runtime.any_host),
        )

    def _open_access_log(self) -> None:
        settings = self._config.server
        if settings.access_log == "off":
            return
        outlet = self._dependencies.access_log
        if settings.access_log_file is not None:
            try:
                outlet = Outlet(os.open(settings.access_log_file, _LOG_FLAGS, _LOG_MODE))
            except OSError as error:
                raise LogFileError(settings.access_log_file, error) from error
            self._resources.callback(outlet.close_file)
        if outlet is not None:
            self._access_log = AccessLog(outlet, settings.access_log, asyncio.get_running_loop())

    def _report_error(self, error: Exception) -> None:
        if isinstance(error, MockError):
            self._dependencies.log_limited(str(error))
        else:
            asyncio.get_running_loop().call_exception_handler({"message": "a request failed", "exception": error})

    def _play(self, scenario: Scenario) -> None:
        try:
            self.state.begin(scenario)
        except (ConflictingPathsError, TooManyEventsError, TooManyFaultsError) as error:
            raise ConfigError(f"the scenario cannot be played: {error}") from error

    def _snapshot_for(self, address: str) -> Snapshot:
        return self.state.snapshot_for(address)

    def _current_config(self) -> Config:
        return self._in_force()
