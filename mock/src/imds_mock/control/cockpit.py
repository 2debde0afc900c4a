"""What the operations of the control plane have in their hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imds_mock.callers.names import Callers
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

    async def meet(self, *targets: str | None) -> None:
        """Find out who goes by these names before they are used as targets."""
        named = {target for target in targets if target is not None}
        if named:
            await self.callers.learn(self.state.targets() | named)
