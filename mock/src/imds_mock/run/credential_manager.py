"""The role credentials of a run that are fetched; the code for it is imported once a configuration needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.config.variants import effective
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.credentials.requests import WORKING_SOURCES, request_for
from imds_mock.metadata.instance import derive

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from imds_mock.clock import MockClock
    from imds_mock.config.settings import Config
    from imds_mock.credentials.fetching import Fetcher
    from imds_mock.credentials.pool import RefresherPool, StartTask
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.refresher import RefresherDependencies
    from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials
    from imds_mock.credentials.values import RoleCredentials

_MAX_CONFIGS: Final = 4096
# Less than the 10 s after which `ctl` gives up.
_RENEWAL_SECONDS: Final = 8.0


class CredentialManager:
    """Fetches credentials and keeps them up to date.

    Args:
        started: When the mock started, in seconds since the epoch.
        config: Returns the configuration in force.
        start_task: Starts the task of a refresher.
        clock: The mock's time.
        random: Returns a number from 0 to 1.
        report: Receives a sentence for the log.
        changed: Called when the credentials of a request have changed.
    """

    def __init__(  # noqa: PLR0913 - passed by keyword
        self,
        *,
        started: float,
        config: Callable[[], Config],
        start_task: StartTask,
        clock: MockClock,
        random: Callable[[], float],
        report: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._started = started
        self._config = config
        self._start_task = start_task
        self._clock = clock
        self._random = random
        self._report = report
        self._changed = changed
        self._pool: RefresherPool | None = None
        self._fetcher: Fetcher | None = None
        self._is_running = False
        self._requests: dict[int, tuple[Config, CredentialRequest | None]] = {}
        clock.on_move(self._clock_moved)

    @property
    def requests(self) -> tuple[CredentialRequest, ...]:
        """What is fetched, or will be once `start` is called."""
        return () if self._pool is None else self._pool.requests

    def refreshable(self, request: CredentialRequest) -> RefreshableCredentials:
        """Credentials that are fetched, and fetched again if a caller asks after an hour without a request.

        Args:
            request: The credentials to fetch.
        """
        refresher = self._refresher(request)
        return refresher if isinstance(refresher, NotRefreshed) else _Restarting(request, self._refresher)

    async def start(self) -> None:
        """Begin to fetch, and wait for the first credentials as long as the configuration says."""
        self._is_running = True
        if self._pool is not None:
            self._pool.start()
            await self._pool.wait_until_ready(self._wait_seconds())

    async def close(self) -> None:
        """Stop the fetches in progress; the tasks of the refreshers have ended."""
        if self._fetcher is not None:
            await self._fetcher.close()

    async def wait_for_renewals(self) -> list[str]:
        """Wait until all requested renewals have succeeded or failed.

        Returns:
            A sentence for each request whose credentials are unchanged although a renewal was requested.
        """
        return [] if self._pool is None else await self._pool.wait_for_renewals(_RENEWAL_SECONDS)

    def first_fetch(self, config: Config) -> asyncio.Future[None] | None:
        """A future that is done when the first fetch of a caller's credentials has ended or taken too long.

        Args:
            config: The caller's configuration.

        Returns:
            None if there is nothing to wait for.
        """
        request = self._request_of(config) if self._pool is not None else None
        if request is None or self._pool is None:
            return None
        self._refresher(request)
        return self._pool.first_fetch(request)

    def _refresher(self, request: CredentialRequest) -> RefreshableCredentials:
        """The refresher of a request; none if callers have asked for very many roles."""
        if self._pool is None:
            self._pool = _pool(self._dependencies, self._wait_seconds, self._start_task)
            if self._is_running:
                self._pool.start()
        if not (self._pool.has_room_for(request) or self._is_configured(request)):
            return NotRefreshed(request)
        return self._pool.refresher_for(request)

    def _dependencies(self) -> RefresherDependencies:
        from imds_mock.credentials.fetching import Fetcher  # noqa: PLC0415 - generated credentials need none of it
        from imds_mock.credentials.refresher import RefresherDependencies  # noqa: PLC0415

        self._fetcher = Fetcher()
        return RefresherDependencies(
            self._fetch,
            self._clock,
            self._clock.sleep,
            self._random,
            self._report,
            self._is_configured,
            self._changed,
        )

    async def _fetch(self, request: CredentialRequest) -> FetchedCredentials:
        """Fetch credentials, whose expiration is as far ahead of the mock's time as it is of the real one."""
        assert self._fetcher is not None  # noqa: S101 - made with the refreshers
        fetched = await self._fetcher.fetch(request)
        if fetched.expiration is None or self._clock.is_real:
            return fetched
        return msgspec.structs.replace(fetched, expiration=fetched.expiration + self._clock.offset)

    def _clock_moved(self, before: float, now: float) -> None:
        if self._pool is not None:
            self._pool.clock_moved(before, now)

    def _request_of(self, config: Config) -> CredentialRequest | None:
        """The request for the credentials of a caller's own role; None if they are not fetched."""
        known = self._requests.get(id(config))
        if known is None:
            if len(self._requests) >= _MAX_CONFIGS:
                self._requests.clear()
            # The configuration is kept beside the request, so that no other configuration gets its id.
            known = self._requests[id(config)] = config, next(_own_requests(config, self._started), None)
        return known[1]

    def _wait_seconds(self) -> float:
        return self._config().credentials.wait_seconds

    def _is_configured(self, request: CredentialRequest) -> bool:
        return request in set(_requests(self._config(), self._started))


class _Restarting:
    """The credentials of a request, from a new refresher after the last one has ended unused.

    Args:
        request: The credentials to fetch.
        refresher: Returns the request's refresher.
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


def _requests(config: Config, started: float) -> Iterator[CredentialRequest]:
    for whole in (config, *(effective(config, (place,)) for place in range(len(config.variants)))):
        yield from _own_requests(whole, started)


def _own_requests(config: Config, started: float) -> Iterator[CredentialRequest]:
    if config.credentials.source in WORKING_SOURCES and config.instance.role is not None:
        yield request_for(config.credentials, derive(config.instance, started), config.instance.role)


def _pool(
    dependencies: Callable[[], RefresherDependencies], wait_seconds: Callable[[], float], start_task: StartTask
) -> RefresherPool:
    from imds_mock.credentials.pool import RefresherPool  # noqa: PLC0415 - generated credentials need none of it

    return RefresherPool(dependencies(), wait_seconds, start_task)
