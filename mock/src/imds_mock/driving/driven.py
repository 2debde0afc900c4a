"""Everything about a run that can change while it runs, put together: state, faults, journal and who asks."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from imds_mock.callers.names import Callers, system_backward, system_forward
from imds_mock.driving.journal import Journal
from imds_mock.driving.metrics import RequestFigures
from imds_mock.driving.questions import Questions
from imds_mock.driving.state import State
from imds_mock.faults.armed import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.settings import Config
    from imds_mock.driving.state import Described
    from imds_mock.service.messages import Request, Response
    from imds_mock.service.rules import Service
    from imds_mock.wire.terms import Observer

_LOOK_AGAIN_SECONDS: Final = 5.0


class Driven:
    """A mock that can be driven.

    Args:
        config: The configuration to start with.
        describe: Turns a configuration into what it describes.
        clock: Wall clock, seconds since the epoch.
        callers: Who goes by which name; None asks the system's resolver.

    Raises:
        ConfigError: The configuration contradicts itself.
    """

    def __init__(
        self,
        config: Config,
        describe: Callable[[Config], Described],
        clock: Callable[[], float] = time.time,
        callers: Callers | None = None,
    ) -> None:
        self.callers = callers or Callers(system_forward, system_backward, time.monotonic)
        self.faults = Faults(self.callers.is_target, random.random)
        self.state = State(config, describe, self.faults, self.callers, clock)
        self.journal = Journal(config.control.journal_entries)
        self.questions = Questions(self.journal, self.callers.is_target)
        self.figures = RequestFigures()
        self.journal.batch_observers = (self.figures.count, self.callers.notice)
        self.reloads = {"applied": 0, "refused": 0}
        """How often the configuration was read anew, by what became of it."""
        self._is_driven = config.control.enabled
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
                return faults.spoil(
                    response, request, caller, now, lambda: service.token_issued_at(request, caller, now)
                )
            return response

        return respond_with_faults

    async def keep_targets_known(self) -> None:
        """Look the targets in use up again and again, because containers come and go."""
        while True:
            targets = self.state.targets()
            if targets:
                await self.callers.learn(targets)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
