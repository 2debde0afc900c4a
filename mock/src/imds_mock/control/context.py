"""What the operations of the control plane have in their hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from imds_mock.callers.caller import is_address, normalize_address
from imds_mock.callers.target_matching import TargetMatch, match_target
from imds_mock.control.pacer import Pacer
from imds_mock.metadata.tree import LATEST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.config.settings import Config
    from imds_mock.state.journal import Journal
    from imds_mock.state.journal_queries import JournalQueries
    from imds_mock.state.metrics import RequestMetrics
    from imds_mock.state.state import State

_CREDENTIALS: Final = "meta-data/iam/security-credentials"
_MANY: Final = 1024


@dataclass(slots=True)
class ControlContext:
    """The running mock as its driver sees it.

    Attributes:
        state: Configuration, events and faults.
        callers: Who goes by which name.
        journal: What was asked.
        questions: Answers about it.
        figures: Counts for the metrics.
        version: The program's version.
        reloads: Outcome (`applied`, `refused`) to how often the configuration was read again.
        caught_up: Waits until credentials that were asked for anew are there; gives a sentence for each that stays.
        closing: Is set when live streams have to end.
        pacer: Runs one step of a request per iteration of the event loop.
    """

    state: State
    callers: CallerRegistry
    journal: Journal
    queries: JournalQueries
    request_metrics: RequestMetrics
    version: str
    reloads: dict[str, int]
    caught_up: Callable[[], Awaitable[list[str]]]
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    pacer: Pacer = field(default_factory=Pacer)
    _configuring: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def configure(self, change: Callable[[Config], Config]) -> None:
        """Put a changed configuration in force; those who ask for metadata get their turn between the steps.

        Args:
            change: Gives the new configuration for the one in force; may be called more than once.
        """
        # Two at once would each begin anew whenever the other one is done.
        async with self._configuring:
            for _ in self.state.configuring(change):
                await self.pacer.wait()

    async def renewed(self, targets: Iterable[str | None]) -> list[str]:
        """Have credentials that an event renews fetched now, and wait for them.

        Args:
            targets: For whom the events are; None stands for every caller.

        Returns:
            A sentence for each role whose credentials stay as they are.
        """
        now = self.state.clock()
        for address in {address for target in targets for address in self._addresses(target)}:
            tree = self.state.snapshot_for(address).tree
            for path in tree.leaves:
                if path.startswith(_CREDENTIALS):
                    # Reading a document is what asks for new credentials.
                    tree.lookup(LATEST, path, now)
            await asyncio.sleep(0)
        return await self.caught_up()

    def _addresses(self, target: str | None) -> Iterable[str]:
        if target is not None:
            return {target} if is_address(target) else self.match(target).callers
        return {"", *islice(dict.fromkeys(entry.caller for entry in self.journal), _MANY)}

    async def meet(self, *targets: str | None) -> None:
        """Find out who goes by these names before they are used as targets.

        Args:
            targets: Those to look up besides the ones in use; None stands for every caller.
        """
        in_use = self.state.targets() | {target for target in targets if target is not None}
        self.journal.settle()  # so that those who have asked are known to have
        await self.callers.resolve_targets(in_use)
        # Two addresses of one container count once.
        await self.callers.look_up(set().union(*map(self.callers.addresses, in_use)))

    def own_instance_of(self, address: str) -> str | None:
        """The id of the instance that a caller is; None where all callers are one."""
        if self.state.config.identity != "per-container":
            return None
        return self.state.caller_config_of(address).config.instance.instance_id

    def match(self, who: str) -> TargetMatch:
        """The callers that a name or an address stands for now.

        Args:
            who: Address, container or service name; `meet` has looked it up.
        """
        return match_target(self.callers, who)

    async def addresses_of(self, who: str) -> tuple[str, ...]:
        """An address of each caller with a name, whom the mock knows afterwards as well as it would if they asked.

        Args:
            who: Address, container or service name.

        Returns:
            Empty when no caller goes by the name. One for an address, whoever has it.
        """
        await self.meet(who)
        addresses = (normalize_address(who),) if is_address(who) else tuple(self.match(who).callers)
        if self.state.needs_names or any(map(self.callers.is_link_local, addresses)):
            await self.callers.look_up(addresses)
        return addresses
