"""What the operations of the control plane have in their hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imds_mock.callers.addresses import is_address, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imds_mock.callers.register import Callers
    from imds_mock.config.settings import Config
    from imds_mock.driving.journal import Journal
    from imds_mock.driving.metrics import RequestFigures
    from imds_mock.driving.questions import Questions
    from imds_mock.driving.state import State


@dataclass(slots=True)
class Cockpit:
    """The running mock as its driver sees it.

    Attributes:
        state: Configuration, events and faults.
        callers: Who goes by which name.
        journal: What was asked.
        questions: Answers about it.
        figures: Counts for the metrics.
        version: The program's version.
        reloads: Outcome (`applied`, `refused`) to how often the configuration was read again.
        closing: Is set when live streams have to end.
    """

    state: State
    callers: Callers
    journal: Journal
    questions: Questions
    figures: RequestFigures
    version: str
    reloads: dict[str, int]
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def configure(self, change: Callable[[Config], Config]) -> None:
        """Put a changed configuration in force; those who ask for metadata get their turn between the steps.

        Args:
            change: Gives the new configuration for the one in force; may be called more than once.
        """
        for _ in self.state.configuring(change):
            await asyncio.sleep(0)

    async def meet(self, *targets: str | None) -> None:
        """Find out who goes by these names before they are used as targets."""
        named = {target for target in targets if target is not None}
        if named:
            await self.callers.learn(self.state.targets() | named)

    async def introduce(self, addresses: Iterable[str]) -> None:
        """Find out who is behind addresses that are going to be shown, as far as that is to be had in good time."""
        waiting = [met for address in addresses if (met := self.callers.meet(address)) is not None]
        if waiting:
            await asyncio.gather(*waiting)

    async def address_of(self, who: str) -> str | None:
        """The address of a caller, whom the mock knows afterwards as well as it would if he asked.

        Args:
            who: Address, container or service name.

        Returns:
            None when nobody goes by that name. Of several addresses the first one in order.
        """
        await self.meet(who)
        address = plain(who) if is_address(who) else min(self.callers.called(who), default=None)
        if address is not None and self.state.needs_names:
            waiting = self.callers.meet(address)
            if waiting is not None:
                await waiting
        return address
