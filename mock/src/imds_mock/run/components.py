"""The components of a mock, connected to each other, before it opens a socket or starts a task."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from imds_mock.build.builder import SnapshotBuilder
from imds_mock.build.checks import check
from imds_mock.clock import MockClock
from imds_mock.config.errors import ConfigError
from imds_mock.control.context import ControlContext
from imds_mock.errors import MockError
from imds_mock.events.armed import TooManyEventsError
from imds_mock.faults.armed import TooManyFaultsError
from imds_mock.run.callers import RegisteredContainers, network_registry
from imds_mock.run.credential_manager import CredentialManager
from imds_mock.service.repeating import ExchangeCache
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from imds_mock.signing.signer import Signer
from imds_mock.state.announcing import Announcer
from imds_mock.state.runtime import Runtime
from imds_mock.state.snapshots import ConflictingPathsError
from imds_mock.wire.context import ServerContext, Timeouts
from imds_mock.wire.parsing import Limits, ParseCache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.config.settings import Config
    from imds_mock.credentials.pool import StartTask
    from imds_mock.events.scenario import Scenario
    from imds_mock.run.dependencies import Dependencies
    from imds_mock.service.snapshot import Snapshot
    from imds_mock.wire.context import Observer


class Components:
    """State, credentials, signer and rules of one mock.

    Args:
        config: The configuration to start with.
        reason: Why amazon-ec2-metadata-mock's data is served, for the start message.
        dependencies: What the mock uses of the process around it.
        start_task: Starts the tasks of credential refreshers.

    Attributes:
        clock: The mock's own time.
        signer: Signs the identity document.
        credentials: The credentials that are fetched.
        runtime: State, faults, journal, metrics and callers.
        respond: Answers a request, given the caller's address and the time.
        resources: Closes what the components open while they run.

    Raises:
        ConfigError: The settings contradict each other.
    """

    def __init__(self, config: Config, reason: str, dependencies: Dependencies, start_task: StartTask) -> None:
        self._config = config
        self._dependencies = use = dependencies
        self._runtime: Runtime | None = None
        self.resources = contextlib.ExitStack()
        self.clock = clock = MockClock(use.clock)
        started = clock()
        key_directory = config.signing.key_directory
        self.signer = use.signer or Signer(None if key_directory is None else Path(key_directory))
        self.credentials = CredentialManager(
            started=started,
            config=self.current_config,
            start_task=start_task,
            clock=clock,
            random=use.random,
            report=use.log_limited,
            changed=self._end_kept,
        )
        callers = use.callers or network_registry(
            self.current_config, lambda: self.runtime.state.services, use.monotonic, self.resources
        )
        builder = SnapshotBuilder(
            started=started,
            signer=self.signer,
            reason=reason,
            refreshable_for=self.credentials.refreshable,
            known_containers=RegisteredContainers(callers, self._snapshot_for),
            log=use.log,
        )
        self.runtime = self._runtime = Runtime(
            config,
            builder=builder,
            callers=callers,
            credentials=self.credentials,
            clock=clock,
            random=use.random,
            report=use.log_limited,
        )
        clock.on_move(self._follow_clock)
        probe_id = use.probe_id or secrets.token_hex(8)
        announcer = Announcer(self.current_config, check, callers, use.log_limited, use.monotonic)
        service = Service(self.runtime.state, Tokens(), probe_id, self.runtime.faults, announcer.announce)
        self.respond, self._respond_to_malformed = service.respond, service.respond_to_malformed

    def current_config(self) -> Config:
        """The configuration in force."""
        return self._config if self._runtime is None else self._runtime.state.config

    def play(self, scenario: Scenario) -> None:
        """Start a scenario that begins again at each reset.

        Raises:
            ConfigError: The scenario cannot be played with this configuration.
        """
        try:
            self.runtime.state.begin(scenario)
        except (ConflictingPathsError, TooManyEventsError, TooManyFaultsError) as error:
            raise ConfigError(f"the scenario cannot be played: {error}") from error

    def control_context(self, places: Mapping[str, str]) -> ControlContext:
        """What the control plane's operations use.

        Args:
            places: The file, variable or flag that sets each key.
        """
        runtime = self.runtime
        return ControlContext(
            clock=self.clock,
            state=runtime.state,
            callers=runtime.callers,
            journal=runtime.journal,
            queries=runtime.queries,
            request_metrics=runtime.request_metrics,
            reloads=runtime.reloads,
            wait_for_renewals=self.credentials.wait_for_renewals,
            places=places,
        )

    def server_context(self, *observers: Observer) -> ServerContext:
        """What the connections of the data plane share, on the running event loop.

        Args:
            observers: Called with each response, before those of the runtime.
        """
        settings, runtime = self._config.server, self.runtime
        exchanges = ExchangeCache(runtime.state, runtime.faults)
        context = ServerContext(
            self.respond,
            (*observers, *runtime.observers),
            self.clock.now,
            asyncio.get_running_loop().time,
            limits=Limits(
                settings.max_target_bytes, settings.max_head_bytes, settings.max_headers, settings.max_body_bytes
            ),
            timeouts=Timeouts(
                settings.head_timeout_seconds, settings.idle_timeout_seconds, settings.write_timeout_seconds
            ),
            respond_to_malformed=self._respond_to_malformed,
            report_error=self._report_error,
            identify_caller=runtime.identify_caller,
            await_credentials=runtime.await_credentials,
            parse_cache=ParseCache(runtime.any_host),
            sent_before=exchanges.find,
            keep_sent=exchanges.keep,
        )

        def use_clock(_before: float, _now: float) -> None:
            context.wall_clock = self.clock.now

        self.clock.on_move(use_clock)
        return context

    def _follow_clock(self, _before: float, _now: float) -> None:
        self.runtime.state.check_clock()
        self.runtime.journal.offset_ago = self.clock.offset_ago

    def _end_kept(self) -> None:
        self.runtime.state.end_kept()

    def _snapshot_for(self, address: str) -> Snapshot:
        return self.runtime.state.snapshot_for(address)

    def _report_error(self, error: Exception) -> None:
        if isinstance(error, MockError):
            self._dependencies.log_limited(str(error))
        else:
            asyncio.get_running_loop().call_exception_handler({"message": "a request failed", "exception": error})
