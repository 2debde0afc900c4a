"""The credentials of a run that have to be fetched; what keeps them fresh is loaded when a configuration has any."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from imds_mock.config.variants import effective
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.credentials.requests import WORKING_SOURCES, request_for
from imds_mock.log import say_limited
from imds_mock.metadata.instance import derive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.config.settings import Config
    from imds_mock.credentials.pool import RefresherPool
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.credentials.values import RoleCredentials

_MANY: Final = 4096
# Shorter than the 10 s after which `ctl` gives up.
_CHANGE_SECONDS: Final = 8.0


class WorkingCredentials:
    """Has credentials fetched and kept fresh.

    Args:
        started: When the mock started, in seconds since the epoch.

    Attributes:
        config: Gives the configuration in force.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._pool: RefresherPool | None = None
        self._is_running = False
        self._requests: dict[int, tuple[Config, CredentialRequest | None]] = {}
        self.config: Callable[[], Config] | None = None

    def keep(self, request: CredentialRequest) -> RefreshableCredentials:
        """What keeps the credentials of a request, also after an hour in which no caller asked for them.

        Args:
            request: The credentials to fetch.
        """
        refresher = self._refresher(request)
        return refresher if isinstance(refresher, NotRefreshed) else _Again(request, self._refresher)

    def _refresher(self, request: CredentialRequest) -> RefreshableCredentials:
        """The keeper of a request; none where callers have made up very many roles."""
        if self._pool is None:
            self._pool = _pool(self._is_configured, self._wait_seconds)
            if self._is_running:
                self._pool.start()
        if not (self._pool.has_room_for(request) or self._is_configured(request)):
            return NotRefreshed(request)
        return self._pool.refresher_for(request)

    async def first(self) -> None:
        """Begin to fetch, and wait for the first credentials as long as the configuration says."""
        self._is_running = True
        if self._pool is not None and self.config is not None:
            self._pool.start()
            await self._pool.wait_until_ready(self.config().credentials.wait_seconds)

    async def caught_up(self) -> list[str]:
        """Wait until the new credentials that were asked for are there, or cannot be had.

        Returns:
            A sentence for each order whose credentials have not changed though new ones were asked for.
        """
        return [] if self._pool is None else await self._pool.wait_for_renewals(_CHANGE_SECONDS)

    def first_of(self, config: Config) -> asyncio.Future[None] | None:
        """What is done when a caller has its first credentials, or they are not waited for any longer.

        Args:
            config: The caller's configuration.

        Returns:
            None where there is nothing to wait for.
        """
        request = self._request_of(config) if self._pool is not None else None
        if request is None or self._pool is None:
            return None
        self._refresher(request)
        return self._pool.first_fetch(request)

    def _request_of(self, config: Config) -> CredentialRequest | None:
        """The order of a caller's own role; None if it has none, or its credentials are not fetched."""
        known = self._requests.get(id(config))
        if known is None:
            if len(self._requests) >= _MANY:
                self._requests.clear()
            # The configuration is kept beside the order, so that no other one gets its id.
            known = self._requests[id(config)] = config, next(_own_requests(config, self._started), None)
        return known[1]

    def _wait_seconds(self) -> float:
        return 0.0 if self.config is None else self.config().credentials.wait_seconds

    def _is_configured(self, request: CredentialRequest) -> bool:
        return self.config is None or request in set(_requests(self.config(), self._started))


def _requests(config: Config, started: float) -> Iterator[CredentialRequest]:
    for whole in (config, *(effective(config, (place,)) for place in range(len(config.variants)))):
        yield from _own_requests(whole, started)


def _own_requests(config: Config, started: float) -> Iterator[CredentialRequest]:
    if config.credentials.source in WORKING_SOURCES and config.instance.role is not None:
        yield request_for(config.credentials, derive(config.instance, started), config.instance.role)


class _Again:
    """What keeps the credentials of a request: a keeper ends when no caller has asked for long, and another one begins.

    Args:
        request: The credentials to fetch.
        keeper: Gives its keeper.
    """

    def __init__(
        self, request: CredentialRequest, refresher: Callable[[CredentialRequest], RefreshableCredentials]
    ) -> None:
        self._request = request
        self._refresher = refresher

    def valid_at(self, now: float) -> RoleCredentials | None:
        """See `RefreshableCredentials`."""
        return self._refresher(self._request).valid_at(now)

    @property
    def refused_at(self) -> float | None:
        """See `RefreshableCredentials`."""
        return self._refresher(self._request).refused_at

    def renew_after(self, moment: float) -> None:
        """See `RefreshableCredentials`."""
        self._refresher(self._request).renew_after(moment)


def _pool(is_configured: Callable[[CredentialRequest], bool], wait_seconds: Callable[[], float]) -> RefresherPool:
    from imds_mock.credentials.fetching import Fetcher  # noqa: PLC0415 - made up credentials need none of it
    from imds_mock.credentials.pool import RefresherPool  # noqa: PLC0415
    from imds_mock.credentials.refresher import RefresherDependencies  # noqa: PLC0415

    return RefresherPool(
        RefresherDependencies(Fetcher().fetch, time.time, asyncio.sleep, random.random, say_limited, is_configured),
        wait_seconds,
    )
