"""The refreshers of a run, one for each request; a reload of the configuration keeps them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from imds_mock.credentials.refresher import Refresher

if TYPE_CHECKING:
    from imds_mock.credentials.refresher import RefresherDependencies
    from imds_mock.credentials.requests import CredentialRequest

# Callers can name arbitrary roles (`ecs.any_role`); each one's refresher runs for an hour.
_MAX_REFRESHERS: Final = 1024


StartTask = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Starts a task, given its name; the task's failure ends the run."""


class RefresherPool:
    """Refreshers by request. Not thread-safe: use it on the event loop's thread, or before the loop runs.

    Args:
        dependencies: Passed to the refreshers.
        wait_seconds: Returns how long a request may wait for its first credentials.
        start_task: Starts the tasks.
    """

    def __init__(
        self, dependencies: RefresherDependencies, wait_seconds: Callable[[], float], start_task: StartTask
    ) -> None:
        self._dependencies = dependencies
        self._wait_seconds = wait_seconds
        self._start_task = start_task
        self._first_fetches: dict[CredentialRequest, asyncio.Task[None]] = {}
        self._refreshers: dict[CredentialRequest, Refresher] = {}
        self._running: dict[CredentialRequest, asyncio.Task[None]] = {}
        self._is_started = False

    def refresher_for(self, request: CredentialRequest) -> Refresher:
        """The refresher of a request, created if needed. It starts to fetch at once, or when the pool starts."""
        refresher = self._refreshers.get(request)
        if refresher is None:
            refresher = self._refreshers[request] = Refresher(request, self._dependencies)
            if self._is_started:
                self._start(request, refresher)
        return refresher

    @property
    def requests(self) -> tuple[CredentialRequest, ...]:
        """The requests that have a refresher."""
        return tuple(self._refreshers)

    def has_room_for(self, request: CredentialRequest) -> bool:
        """Whether a request has a refresher, or the pool may create one."""
        return request in self._refreshers or len(self._refreshers) < _MAX_REFRESHERS

    def first_fetch(self, request: CredentialRequest) -> asyncio.Future[None] | None:
        """A future that is done when the first fetch of a request has ended or taken too long; None if it is."""
        return self._first_fetches.get(request)

    def start(self) -> None:
        """Start to fetch on the running event loop."""
        self._is_started = True
        for request, refresher in self._refreshers.items():
            self._start(request, refresher)

    def clock_moved(self, before: float, now: float) -> None:
        """Fetch what is due after the clock was moved from one time to another."""
        for refresher in self._refreshers.values():
            refresher.clock_moved(before, now)

    async def wait_for_renewals(self, seconds: float) -> list[str]:
        """Wait until all requested renewals have succeeded or failed.

        Args:
            seconds: The longest time to wait.

        Returns:
            A sentence for each request whose credentials are unchanged although a renewal was requested.
        """

        async def wait(refresher: Refresher) -> str | None:
            try:
                async with asyncio.timeout(seconds):
                    return await refresher.wait_for_renewal()
            except TimeoutError:
                return f"no new ones after {seconds:g} s; they are served once they are fetched"

        refreshers = list(self._refreshers.values())
        reasons = await asyncio.gather(*map(wait, refreshers))
        return [
            f"the credentials of {refresher.display_name} are unchanged: {reason}"
            for refresher, reason in zip(refreshers, reasons, strict=True)
            if reason is not None
        ]

    async def wait_until_ready(self, seconds: float) -> None:
        """Wait, for a number of seconds at most, until every refresher has credentials or needs the user to act."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(refresher.wait_until_ready() for refresher in self._refreshers.values()))

    def _start(self, request: CredentialRequest, refresher: Refresher) -> None:
        async def run() -> None:
            try:
                await refresher.run()
            finally:
                self._refreshers.pop(request, None)
                self._running.pop(request, None)

        async def wait() -> None:
            try:
                async with asyncio.timeout(self._wait_seconds()):
                    await refresher.wait_until_ready()
            except TimeoutError:
                pass
            finally:
                self._first_fetches.pop(request, None)

        name = f"the refresher of {refresher.display_name}"
        self._first_fetches[request] = self._start_task(name, wait())
        self._running[request] = self._start_task(name, run())
