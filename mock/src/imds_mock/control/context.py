"""What the control plane's operations use of the running mock."""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import field

from imds_mock.callers.caller import is_address, normalize_address
from imds_mock.callers.target_matching import TargetMatch, match_target
from imds_mock.control.pacer import Pacer
from imds_mock.metadata.tree import LATEST
from imds_mock.records import Parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.clock import MockClock
    from imds_mock.config.settings import Config
    from imds_mock.state.journal import Journal
    from imds_mock.state.journal_queries import JournalQueries
    from imds_mock.state.metrics import RequestMetrics
    from imds_mock.state.state import State

_CREDENTIALS: Final = "meta-data/iam/security-credentials"
_MANY: Final = 1024
_PACKAGE: Final = "imds_mock-"
_DESCRIPTION: Final = ".dist-info"
_UNKNOWN: Final = "unknown"


class ControlContext(Parts, eq=False):
    """The parts of a running mock that operations read and change.

    Attributes:
        clock: The mock's time.
        state: Configuration, events and faults.
        callers: The known callers.
        journal: The recorded requests.
        queries: Queries of the journal.
        request_metrics: The counts of requests.
        reloads: How often the configuration was read again, by outcome (`applied`, `refused`).
        wait_for_renewals: Waits for requested renewals of credentials; returns a sentence for each that failed.
        places: The file, variable or flag that sets each key of the configuration at the start.
        closing: Set when live streams have to end.
        pacer: Runs one step of a request per iteration of the event loop.
        batch_followers: How many clients follow the requests in batches.
    """

    clock: MockClock
    state: State
    callers: CallerRegistry
    journal: Journal
    queries: JournalQueries
    request_metrics: RequestMetrics
    reloads: dict[str, int]
    wait_for_renewals: Callable[[], Awaitable[list[str]]]
    places: Mapping[str, str] = field(default_factory=dict)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    pacer: Pacer = field(default_factory=Pacer)
    batch_followers: int = 0
    _configuring: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def version(self) -> str:
        """The program's version."""
        return _version()

    @property
    def followers(self) -> int:
        """How many clients follow the requests."""
        return len(self.journal.followers) + self.batch_followers

    async def configure(self, change: Callable[[Config], Config]) -> None:
        """Put a changed configuration in force, in steps between which metadata requests are answered.

        Args:
            change: Returns the new configuration for the one in force; may be called more than once.
        """
        # Two changes at once would restart each other again and again.
        async with self._configuring:
            for _ in self.state.configuring(change):
                await self.pacer.wait()

    def reset(self, *, keep_journal: bool = False) -> None:
        """Restore the state at the start: real time, configuration, events, faults, journal, notices.

        Args:
            keep_journal: Keep the journal and the notices.
        """
        # First, because the scenario of the start begins now.
        self.clock.use_real_time()
        if not keep_journal:
            self.queries.restart()
        self.state.reset()

    async def renew_credentials(self, targets: Iterable[str | None]) -> list[str]:
        """Fetch the credentials that events renew, and wait for them.

        Args:
            targets: The targets of the events; None means all callers.

        Returns:
            A sentence for each role whose credentials are unchanged.
        """
        now = self.state.clock()
        for address in {address for target in targets for address in self._addresses(target)}:
            tree = self.state.snapshot_for(address).tree
            for path in tree.leaves:
                if path.startswith(_CREDENTIALS):
                    # Reading the document requests the renewal.
                    tree.lookup(LATEST, path, now)
            await asyncio.sleep(0)
        return await self.wait_for_renewals()

    def _addresses(self, target: str | None) -> Iterable[str]:
        if target is not None:
            return {target} if is_address(target) else self.match(target).callers
        return {"", *islice(dict.fromkeys(entry.caller for entry in self.journal), _MANY)}

    async def look_up(self, *targets: str | None) -> None:
        """Look up the callers that targets match, before the targets are used.

        Args:
            targets: Targets to look up besides the ones in use; None means all callers.
        """
        in_use = self.state.targets() | {target for target in targets if target is not None}
        self.journal.settle()  # so that the latest callers are known
        await self.callers.resolve_targets(in_use)
        # Two addresses of one container count as one caller.
        await self.callers.look_up(set().union(*map(self.callers.addresses, in_use)))

    def own_instance_of(self, address: str) -> str | None:
        """The id of a caller's own instance; None if all callers share one."""
        if self.state.config.identity != "per-container":
            return None
        return self.state.caller_config_of(address).config.instance.instance_id

    def match(self, who: str) -> TargetMatch:
        """The callers that a target matches now.

        Args:
            who: Address, container or service name, after `look_up`.
        """
        return match_target(self.callers, who)

    async def addresses_of(self, who: str) -> tuple[str, ...]:
        """An address of each caller that a target matches; the callers are identified as if they had sent a request.

        Args:
            who: Address, container or service name.

        Returns:
            Empty if no caller has the name. An address is returned as it is.
        """
        await self.look_up(who)
        addresses = (normalize_address(who),) if is_address(who) else tuple(self.match(who).callers)
        if self.state.needs_names or any(map(self.callers.is_link_local, addresses)):
            await self.callers.look_up(addresses)
        return addresses


@cache
def _version() -> str:
    """The version in the name of the folder that describes this package; `importlib.metadata` takes 1 MiB of memory."""
    found = (each.name for folder in sys.path for each in Path(folder).glob(f"{_PACKAGE}*{_DESCRIPTION}"))
    return next(found, _UNKNOWN).removeprefix(_PACKAGE).removesuffix(_DESCRIPTION)
