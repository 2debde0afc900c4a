"""The keepers of a run: one for each order, whoever asks for it and however often the configuration is read anew."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from imds_mock.credentials.refresher import Refresher

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.credentials.refresher import Means
    from imds_mock.credentials.requests import CredentialRequest

# Callers may name roles (`ecs.any_role`), each of which is kept for an hour.
_MANY: Final = 1024


class Pool:
    """Keepers by order. All calls are made on the event loop's thread, or before there is one.

    Args:
        means: What its keepers work with.
        wait_seconds: Gives how long a request may wait for the first credentials of an order.
    """

    def __init__(self, means: Means, wait_seconds: Callable[[], float] = lambda: 10.0) -> None:
        self._means = means
        self._wait_seconds = wait_seconds
        self._first: dict[CredentialRequest, asyncio.Task[None]] = {}
        self._refreshers: dict[CredentialRequest, Refresher] = {}
        self._running: dict[CredentialRequest, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def keep(self, order: CredentialRequest) -> Refresher:
        """The keeper of an order; it begins to fetch at once, or when the event loop runs.

        Args:
            order: The order.
        """
        refresher = self._refreshers.get(order)
        if refresher is None:
            refresher = self._refreshers[order] = Refresher(order, self._means)
            if self._loop is not None:
                self._start(order, refresher, self._loop)
        return refresher

    def has_room_for(self, order: CredentialRequest) -> bool:
        """Whether an order is kept already, or there are not very many.

        Args:
            order: The order.
        """
        return order in self._refreshers or len(self._refreshers) < _MANY

    def first(self, order: CredentialRequest) -> asyncio.Future[None] | None:
        """What is done when an order has its first credentials, or is not waited for any longer.

        Args:
            order: The order.

        Returns:
            None where there is nothing to wait for.
        """
        return self._first.get(order)

    def start(self) -> None:
        """Begin to fetch, on the event loop that runs."""
        self._loop = asyncio.get_running_loop()
        for order, refresher in self._refreshers.items():
            self._start(order, refresher, self._loop)

    async def caught_up(self, seconds: float) -> list[str]:
        """Wait until the new credentials that were asked for are there, or cannot be had.

        Args:
            seconds: At most.

        Returns:
            A sentence for each order whose credentials have not changed though new ones were asked for.
        """

        async def one(refresher: Refresher) -> str | None:
            try:
                async with asyncio.timeout(seconds):
                    return await refresher.caught_up()
            except TimeoutError:
                return f"they are not there after {seconds:g} s, and appear when they are fetched"

        refreshers = list(self._refreshers.values())
        reasons = await asyncio.gather(*map(one, refreshers))
        return [
            f"the credentials of {refresher.subject} stay as they are: {reason}"
            for refresher, reason in zip(refreshers, reasons, strict=True)
            if reason is not None
        ]

    async def settled(self, seconds: float) -> None:
        """Wait until every order has credentials, or what keeps them away is known.

        Args:
            seconds: At most.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(refresher.settled() for refresher in self._refreshers.values()))

    def _start(self, order: CredentialRequest, refresher: Refresher, loop: asyncio.AbstractEventLoop) -> None:
        async def run() -> None:
            try:
                await refresher.run()
            finally:
                self._refreshers.pop(order, None)
                self._running.pop(order, None)

        async def wait() -> None:
            try:
                async with asyncio.timeout(self._wait_seconds()):
                    await refresher.settled()
            except TimeoutError:
                pass
            finally:
                self._first.pop(order, None)

        self._first[order] = loop.create_task(wait())
        self._running[order] = loop.create_task(run())
