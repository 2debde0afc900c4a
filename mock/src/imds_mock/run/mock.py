"""A mock as one object: sockets, state and background tasks, from entering its `async with` block to leaving it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from msgspec.structs import replace

from imds_mock.build.loading import from_document
from imds_mock.config.settings import Config
from imds_mock.control.start import ControlSockets, serve_control
from imds_mock.run.announced_file import AnnouncedFile, restored_announcements
from imds_mock.run.background import keep_signatures_ready, refresh_targets, report_unmatched
from imds_mock.run.companions import Companions
from imds_mock.run.components import Components
from imds_mock.run.config_reader import ConfigReader
from imds_mock.run.dependencies import Dependencies
from imds_mock.run.file_changes import watch
from imds_mock.run.reloading import ConfigSource, Reloader
from imds_mock.signing.process import prepare_signatures
from imds_mock.wire.accesslog import AccessLog, open_access_log
from imds_mock.wire.announcement import announce
from imds_mock.wire.descriptors import connection_limits
from imds_mock.wire.server import DataPlane
from imds_mock.wire.sockets import Address, open_sockets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.events.scenario import Scenario
    from imds_mock.state.journal import Journal
    from imds_mock.state.journal_queries import JournalQueries
    from imds_mock.state.state import State


class Mock:
    """A mock that serves inside an `async with` block, once.

    It uses nothing of the process but sockets, files, tasks and child processes, which inherit the environment. It sets
    no signal handlers, limits or logging configuration. Several mocks can run on one event loop, each on its own port.

    Args:
        config: The configuration: settings, a mapping as in a file, or the path of a YAML or JSON file, whose changes
            take effect while the mock runs; None is the default.
        port: TCP port in place of the configured one; 0 takes a free one, also for the control plane unless configured.
        source: Where `config` comes from, to read it again after a change; not needed if `config` is a path.
        scenario: Played from the start.
        dependencies: What the mock uses of the process around it.

    Attributes:
        addresses: Where the metadata service listens; empty before the block is entered.
        clock: The mock's own time, which can be advanced, set and returned to the real time; see `MockClock`.
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
        self._source = source
        self._scenario = scenario
        self._dependencies = dependencies or Dependencies()
        self._is_aemm = config.compatibility == "aemm"
        self._companions = Companions()
        reason = source.reason if source else "the setting compatibility"
        self._components = Components(config, reason, self._dependencies, self._companions.start)
        self.clock = self._components.clock
        self._began = self.clock()
        if scenario is not None:
            self._components.play(scenario)
        self.runtime = self._components.runtime
        self.respond = self._components.respond
        self.control_context = self._components.control_context(source.places if source else {})
        self.control_ready = asyncio.Event()
        self.data_plane: DataPlane | None = None
        self.addresses: tuple[Address, ...] = ()
        self.control_sockets: ControlSockets | None = None
        self._access_log: AccessLog | None = None
        self._announced_file: AnnouncedFile | None = None
        self._reloader = (
            Reloader(self.state, source.read, self._dependencies.log, self.runtime.reloads) if source else None
        )

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
        if self.addresses:
            raise RuntimeError("this mock has run already: make another one")
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
            self._components.resources.callback(self.control_sockets.close)
        sockets = open_sockets(settings.hosts, settings.port)
        self.addresses = tuple(Address(*listening.getsockname()[:2]) for listening in sockets)
        limit = connection_limits(settings.max_connections, with_control=self._config.control.enabled)
        try:
            self._access_log = open_access_log(settings, use.access_log, self._components.resources)
            observers = (self._access_log.record,) if self._access_log else ()
            context = self._components.server_context(*observers)
            self.data_plane = DataPlane(context, limit.data)
            self._announced_file = restored_announcements(self._config, self.callers, use.log_limited)
            await self._components.credentials.start()
            signer = self._components.signer
            if not self._is_aemm and signer.key_directory is not None:
                # A problem with the folder is reported before the mock says that it answers.
                await prepare_signatures(signer)
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
        start("the look-up of targets", refresh_targets(self.runtime, self.clock))
        start("the announcement of addresses", announce(self._config.server.hosts, use.log))
        if self._announced_file is not None:
            start("the file of announcements", self._announced_file.keep())
        if scenario is not None:
            start("the scenario", report_unmatched(self.runtime, scenario, self._began, self.clock, use.log))
        if not self._is_aemm:
            signing = keep_signatures_ready(self._components.signer, self._components.current_config)
            start("the signing process", signing)
        if self.control_sockets is not None:
            serving = serve_control(
                self.control_context,
                self._config.control,
                self.control_sockets,
                connections=control_connections,
                ready=self._set_control_ready,
                on_demand=use.control_on_demand,
            )
            start("the control plane", serving)

    async def _stop(self, grace_seconds: float) -> None:
        if self.data_plane is not None:
            await self.data_plane.stop(grace_seconds)
        if self._access_log is not None:
            self._access_log.flush()
        await self._companions.stop()
        await self._components.credentials.close()
        if self._announced_file is not None:
            self._announced_file.close()
        await self.callers.close()
        self._components.resources.close()

    def _set_control_ready(self) -> None:
        self.control_ready.set()
        self._dependencies.log(f"control plane on {self.control_sockets}")
