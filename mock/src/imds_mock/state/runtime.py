"""The state of a run with everything that reads it: faults, journal, metrics, and the connections' waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from imds_mock.faults.armed import ArmedFaults
from imds_mock.state.journal import Journal
from imds_mock.state.journal_queries import JournalQueries
from imds_mock.state.metrics import RequestMetrics
from imds_mock.state.state import State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from imds_mock.build.built_config import Builder
    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.config.settings import Config
    from imds_mock.wire.context import Observer

_MAX_LOOKED_UP: Final = 4096


class FirstFetches(Protocol):
    """The first fetches of the credentials of callers."""

    def first_fetch(self, config: Config) -> asyncio.Future[None] | None:
        """A future that is done when the first credentials for a configuration are fetched; None if there is no wait.

        Args:
            config: A caller's configuration.
        """


class Runtime:
    """What a running mock consists of, apart from sockets and tasks.

    Args:
        config: The configuration to start with.
        builder: Builds configurations.
        callers: The callers and their names.
        credentials: The first fetches of credentials, which requests wait for.
        clock: Wall clock in seconds since the epoch.
        random: Returns a number from 0 to 1.
        report: Receives a sentence about a part of a caller's configuration that is left out.

    Attributes:
        reloads: How often the configuration was read again, by outcome (`applied`, `refused`).
        observers: Called with each response.

    Raises:
        ConfigError: The settings contradict each other.
    """

    def __init__(  # noqa: PLR0913 - passed by keyword
        self,
        config: Config,
        *,
        builder: Builder,
        callers: CallerRegistry,
        credentials: FirstFetches,
        clock: Callable[[], float],
        random: Callable[[], float],
        report: Callable[[str], None],
    ) -> None:
        self.callers = callers
        self.faults = ArmedFaults(callers.is_target, random)
        self.state = State(config, builder=builder, faults=self.faults, callers=callers, clock=clock, report=report)
        self.journal = Journal(config.control.journal_entries)
        self.queries = JournalQueries(self.journal, callers.was_target)
        self.request_metrics = RequestMetrics()
        self.journal.batch_observers = (
            self.request_metrics.count,
            lambda _batch, counts: callers.identify_all(exchange.caller for exchange in counts),
        )
        self.reloads = {"applied": 0, "refused": 0}
        self._credentials = credentials
        self._has_control = config.control.enabled
        self._looked_up: set[str] = set()
        self.observers: tuple[Observer, ...] = (self.journal.record,) if self._has_control else ()

    def any_host(self) -> bool:
        """Whether the ECS and EKS agents answer for any `Host`; `compatibility: aemm` has no agents."""
        config = self.state.config
        return config.agents.any_host and config.compatibility != "aemm"

    def identify_caller(self, address: str, then: Callable[[], None]) -> Waiting | None:
        """Identify the caller at an address, if the responses depend on it.

        Args:
            address: The peer address of a connection.
            then: Called once the caller can be answered.

        Returns:
            The wait, which can be canceled; None if the caller can be answered now, and `then` is not called.
        """
        if self.state.needs_names or self.callers.may_match_target(address):
            known = self.callers.identify(address)
            if known is not None:
                return Waiting(known, lambda: self._identified(address, then))
            self.state.caller_config_of(address)
            return None
        if address not in self._looked_up and self._has_control:
            # In the background, for the journal: a container may have gone before the journal is read.
            if len(self._looked_up) >= _MAX_LOOKED_UP:
                self._looked_up.clear()
            self._looked_up.add(address)
            self.callers.identify(address)
        return None

    def await_credentials(self, caller: str, then: Callable[[], None]) -> Waiting | None:
        """Let a request for credentials wait for the first fetch of its caller's credentials.

        Args:
            caller: The caller's address.
            then: Called once the request can be answered.

        Returns:
            The wait, which can be canceled; None if the request can be answered now, and `then` is not called.
        """
        first = self._credentials.first_fetch(self.state.caller_config_of(caller).config)
        return None if first is None else Waiting(first, then)

    def _identified(self, address: str, then: Callable[[], None]) -> None:
        # The fetch of the caller's own credentials starts now, before the request for them.
        self.state.caller_config_of(address)
        then()


class Waiting:
    """The wait of one connection for a future that other connections may wait for, too."""

    __slots__ = ("_known", "_then")

    def __init__(self, known: asyncio.Future[None], then: Callable[[], None]) -> None:
        self._known = known
        self._then: Callable[[asyncio.Future[None]], None] = lambda _known: then()
        known.add_done_callback(self._then)

    def cancel(self) -> None:
        """Stop waiting."""
        self._known.remove_done_callback(self._then)
