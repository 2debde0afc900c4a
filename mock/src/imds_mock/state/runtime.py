"""Everything about a run that can change while it runs, put together: state, faults, journal and who asks."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imds_mock.callers.address_linking import AddressLinker
from imds_mock.callers.identification import CallerIdentifier
from imds_mock.callers.kernel import Kernel, default_gateways
from imds_mock.callers.local_networks import LocalNetworks
from imds_mock.callers.nameserver import NameServer
from imds_mock.callers.reachability import ReachabilityProbe
from imds_mock.callers.registry import CallerRegistry
from imds_mock.callers.targets import resolve_name
from imds_mock.faults.armed import Faults
from imds_mock.log import say_limited
from imds_mock.state.journal import Journal
from imds_mock.state.journal_queries import JournalQueries
from imds_mock.state.metrics import RequestMetrics
from imds_mock.state.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imds_mock.build.built_config import Build
    from imds_mock.config.settings import Config
    from imds_mock.service.messages import Request, Response
    from imds_mock.service.rules import Service
    from imds_mock.wire.context import Observer

_LOOK_AGAIN_SECONDS: Final = 5.0
# A name that comes late is still good to have, but no request waits that long.
_NAME_SECONDS: Final = 5.0
_MAX_GREETED: Final = 4096
_PROC_NET: Final = Path("/proc/net")


class Runtime:
    """A mock that can be driven.

    Args:
        config: The configuration to start with.
        build: Builds a configuration.
        clock: Wall clock, seconds since the epoch.
        callers: Who goes by which name; None asks the name server and the kernel.

    Raises:
        ConfigError: The configuration contradicts itself.
    """

    def __init__(
        self,
        config: Config,
        build: Build,
        clock: Callable[[], float] = time.time,
        callers: CallerRegistry | None = None,
    ) -> None:
        self.callers = callers or self._real_callers()
        self.faults = Faults(self.callers.is_target, random.random)
        self.state = State(config, build, self.faults, self.callers, clock)
        self.state.report = say_limited
        self.journal = Journal(config.control.journal_entries)
        self.queries = JournalQueries(self.journal, self.callers.was_target)
        self.request_metrics = RequestMetrics()
        self.journal.batch_observers = (
            self.request_metrics.count,
            lambda entries: self.callers.identify_all(entry.caller for entry in entries),
        )
        self.reloads = {"applied": 0, "refused": 0}
        """How often the configuration was read anew, by what became of it."""
        self._is_driven = config.control.enabled
        self._greeted: set[str] = set()
        self.first_credentials: Callable[[Config], asyncio.Future[None] | None] = lambda _config: None
        """Gives what is done when a caller with a configuration has its first credentials; None if it need not wait."""
        self.caught_up: Callable[[], Awaitable[list[str]]] = _at_once
        """Waits until credentials that were asked for anew are there; gives a sentence for each that did not change."""
        self.observers: tuple[Observer, ...] = (self.journal.record,) if self._is_driven else ()
        """What has to be told of each answer."""

    def respond_with(self, service: Service) -> Callable[[Request, str, float], Response]:
        """The service's answers with the armed faults in them.

        Args:
            service: Decides about requests.
        """
        faults, respond = self.faults, service.respond
        if not (self._is_driven or faults.armed):
            return respond

        def respond_with_faults(request: Request, caller: str, now: float) -> Response:
            response = respond(request, caller, now)
            if faults.armed:
                return faults.apply(
                    response, request, caller, now, lambda: service.token_issued_at(request, caller, now)
                )
            return response

        return respond_with_faults

    def any_host(self) -> bool:
        """Whether ECS's and EKS's agents answer whatever the `Host` is; `compatibility: aemm` has no agents."""
        config = self.state.config
        return config.agents.any_host and config.compatibility != "aemm"

    def identify_caller(self, address: str, then: Callable[[], None]) -> Waiting | None:
        """Find out who is behind an address, if what he sees depends on that.

        Args:
            address: Where a connection comes from.
            then: Is called when he can be answered.

        Returns:
            What can be cancelled; None when he can be answered now, and `then` is not called.
        """
        if self.state.needs_names or self.callers.may_match_target(address):
            known = self.callers.identify(address)
            if known is not None:
                return Waiting(known, lambda: self._welcome(address, then))
            self.state.caller_config_of(address)
            return None
        if address not in self._greeted and self._is_driven:
            # In the background: the journal shows names, and a container may be gone before it is read.
            if len(self._greeted) >= _MAX_GREETED:
                self._greeted.clear()
            self._greeted.add(address)
            self.callers.identify(address)
        return None

    def await_credentials(self, caller: str, then: Callable[[], None]) -> Waiting | None:
        """Have a request for credentials wait for the first ones that are fetched for its caller.

        Args:
            caller: Address of the peer.
            then: Is called when it can be answered.

        Returns:
            What can be cancelled; None when it can be answered now, and `then` is not called.
        """
        first = self.first_credentials(self.state.caller_config_of(caller).config)
        return None if first is None else Waiting(first, then)

    def _welcome(self, address: str, then: Callable[[], None]) -> None:
        # Credentials of its own begin to be fetched now, before the caller asks for them.
        self.state.caller_config_of(address)
        then()

    def _real_callers(self) -> CallerRegistry:
        names = NameServer(lambda: self.state.config.callers.name_server, _NAME_SECONDS)
        kernel = Kernel()
        networks = LocalNetworks(
            kernel, lambda: default_gateways(_PROC_NET), time.monotonic, has_own_names=names.is_engine
        )
        linker = AddressLinker(kernel, networks, ReachabilityProbe(), time.monotonic)
        identifier = CallerIdentifier(names, networks, linker, lambda: self.state.services)
        return CallerRegistry(
            resolve_name, identifier, time.monotonic, lambda: self.state.config.callers.look_up_seconds
        )

    async def keep_targets_known(self) -> None:
        """Look the targets in use up again and again, because containers come and go, and clocks are set."""
        while True:
            self.state.look_at_the_clock()
            await self.callers.resolve_targets(self.state.targets())
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _at_once() -> list[str]:
    return []


class Waiting:
    """One connection's waiting for a look-up that others may wait for as well."""

    __slots__ = ("_known", "_then")

    def __init__(self, known: asyncio.Future[None], then: Callable[[], None]) -> None:
        self._known = known
        self._then: Callable[[asyncio.Future[None]], None] = lambda _known: then()
        known.add_done_callback(self._then)

    def cancel(self) -> None:
        """Wait no more."""
        self._known.remove_done_callback(self._then)
