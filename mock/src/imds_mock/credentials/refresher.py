"""Keeps fetched credentials up to date: fetches new ones before they expire, and retries with growing pauses.

EC2 promises new credentials five minutes before the old ones expire, and SDKs start to ask for them 15 minutes before.
New ones are therefore fetched when half of the lifetime is left, at the earliest 25 minutes before the end. Pauses
after failures grow exponentially with full jitter. The last credentials are served as long as they are valid.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from tenacity import AsyncRetrying, retry_if_exception_type

from imds_mock.credentials.requests import FetchError
from imds_mock.credentials.values import KEPT_SECONDS, RoleCredentials
from imds_mock.metadata.documents import iso8601
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

    from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials

MAX_AHEAD_SECONDS: Final = 25 * 60
MAX_PAUSE_SECONDS: Final = 60.0
REPEAT_LOG_SECONDS: Final = 300.0
ASSUMED_LIFETIME_SECONDS: Final = 3600
"""Lifetime of credentials without an expiration time; they are fetched again before it ends."""

_FIRST_PAUSE_SECONDS: Final = 1.0
_MIN_SECONDS: Final = 5.0
_JITTER: Final = 0.1
# Short sleeps, because a suspended laptop skips wall clock time.
_SLEEP_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 3600.0 + KEPT_SECONDS


class RefresherDependencies(Record, frozen=True):
    """Everything with side effects that a refresher uses.

    Attributes:
        fetch: Fetches the credentials of a request; raises `FetchError`.
        clock: Returns the wall clock time in seconds since the epoch.
        sleep: Sleeps for a number of seconds, or until the clock is moved.
        random: Returns random numbers from 0 (included) to 1 (excluded).
        log: Logs a line.
        is_configured: Whether a request comes from the current configuration; such a request is refreshed even if idle.
        changed: Called after a fetch that changed the credentials or whether they are refused.
    """

    fetch: Callable[[CredentialRequest], Awaitable[FetchedCredentials]]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]
    log: Callable[[str], None]
    is_configured: Callable[[CredentialRequest], bool]
    changed: Callable[[], None]


class Refresher:
    """Keeps the credentials of one request up to date.

    Args:
        request: The credentials to fetch.
        dependencies: See `RefresherDependencies`.

    Attributes:
        refused_at: When STS refused to assume the role; None if the last fetch was not refused.
    """

    def __init__(self, request: CredentialRequest, dependencies: RefresherDependencies) -> None:
        self._request = request
        self._dependencies = dependencies
        self._credentials: RoleCredentials | None = None
        self._fetched_at = self._renew_after = self._attempted_at = self._changed_at = -math.inf
        self._next_fetch = math.inf
        self._attempted = asyncio.Event()
        self._used_at = dependencies.clock()
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._logged: tuple[str, float] | None = None
        self.refused_at: float | None = None

    def valid_at(self, now: float) -> RoleCredentials | None:
        """See `RefreshableCredentials`."""
        self._used_at = now
        credentials = self._credentials
        return credentials if credentials is not None and now < credentials.expiration else None

    def renew_after(self, moment: float) -> None:
        """See `RefreshableCredentials`."""
        if moment > max(self._fetched_at, self._renew_after):
            self._renew_after = moment
            self._wake.set()

    def clock_moved(self, before: float, now: float) -> None:
        """Fetch new credentials if the clock was set back, or forward to or beyond the time of the next fetch.

        Args:
            before: The old time in seconds since the epoch.
            now: The new time.
        """
        if now < before:
            # Every time so far may be in the future now.
            self._fetched_at = self._renew_after = self._attempted_at = self._changed_at = -math.inf
            self._used_at = min(self._used_at, now)
            self._logged = self._logged and (self._logged[0], now)
        if (now < before or now >= self._next_fetch) and self._is_needed():
            self.renew_after(now)

    async def wait_until_ready(self) -> None:
        """Wait until there are credentials, or a fetch has failed in a way that the user must resolve."""
        await self._ready.wait()

    async def wait_for_renewal(self) -> str | None:
        """Wait until an attempt has ended since new credentials were requested.

        Returns:
            Why the credentials are unchanged; None if they have changed, or if no renewal was requested.
        """
        requested = self._renew_after
        while self._attempted_at < requested:
            await self._attempted.wait()
            requested = min(requested, self._renew_after)  # earlier if the clock was set back
        if self._fetched_at < requested:
            return self._logged[0] if self._logged else "they cannot be fetched"
        return "their source returned the same ones" if self._changed_at < requested else None

    @property
    def display_name(self) -> str:
        """The role or profile, for messages."""
        return self._request.display_name

    async def run(self) -> None:
        """Refresh the credentials as long as they are configured or in use."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(FetchError),
            wait=self._retry_pause,
            sleep=self._sleep,
            before_sleep=self._record_failure,
        )
        while self._is_needed():
            next_time: float | None = await retrying(self._fetch)
            if next_time is not None:
                self._next_fetch = next_time
                await self._sleep(next_time - self._dependencies.clock())

    async def _fetch(self) -> float | None:
        """Fetch once.

        Returns:
            The time of the next fetch; None if the credentials are no longer needed.

        Raises:
            FetchError: The credentials cannot be fetched.
        """
        if not self._is_needed():
            return None
        fetched = await self._dependencies.fetch(self._request)
        now = self._dependencies.clock()
        expiration = now + ASSUMED_LIFETIME_SECONDS if fetched.expiration is None else fetched.expiration
        if expiration <= now:
            raise FetchError("other", f"they expired at {iso8601(expiration)}; renew them at their source")
        self._record(fetched, now, math.floor(expiration))
        return next_fetch_time(expiration, now, self._request.renew_seconds, self._dependencies.random())

    def _record(self, fetched: FetchedCredentials, now: float, expiration: float) -> None:
        before = self._credentials
        # `LastUpdated` stays when the source returns the same credentials again.
        if before is None or (before.access_key_id, before.expiration) != (fetched.access_key_id, expiration):
            self._credentials = RoleCredentials(
                fetched.access_key_id, fetched.secret_access_key, fetched.session_token, math.floor(now), expiration
            )
        if before is None or before.access_key_id != fetched.access_key_id:
            self._changed_at = now
        self._fetched_at = now
        self._wake.clear()
        if before is None or self._logged is not None:
            self._dependencies.log(f"fetched credentials of {self.display_name}, valid until {iso8601(expiration)}")
        changes = self._credentials is not before or self.refused_at is not None
        self._logged = self.refused_at = None
        if changes:
            self._dependencies.changed()
        self._ready.set()
        self._end_attempt(now)

    def _record_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, FetchError):
            return
        now = self._dependencies.clock()
        refused_at = now if error.problem == "refused" else None
        if refused_at != self.refused_at:
            self.refused_at = refused_at
            self._dependencies.changed()
        if error.problem != "unreachable":
            self._ready.set()
        message = str(error)
        if self._logged is None or self._logged[0] != message or now >= self._logged[1]:
            self._logged = message, now + REPEAT_LOG_SECONDS
            credentials = self._credentials
            meanwhile = (
                f" (serving those valid until {iso8601(credentials.expiration)})"
                if credentials is not None and now < credentials.expiration
                else ""
            )
            self._dependencies.log(f"cannot fetch credentials of {self.display_name}: {message}{meanwhile}")
        self._end_attempt(now)

    def _end_attempt(self, now: float) -> None:
        self._attempted_at = now
        self._attempted.set()
        self._attempted = asyncio.Event()

    def _retry_pause(self, state: RetryCallState) -> float:
        longest = min(MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(state.attempt_number - 1, 16))
        return longest * self._dependencies.random()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but wake up early if new credentials are requested."""
        until = self._dependencies.clock() + seconds
        while not self._wake.is_set() and (left := until - self._dependencies.clock()) > 0:
            sleeping = asyncio.ensure_future(self._dependencies.sleep(min(left, _SLEEP_SECONDS)))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeping.cancel()
                woken.cancel()
        self._wake.clear()

    def _is_needed(self) -> bool:
        is_in_use = self._dependencies.clock() - self._used_at < _IDLE_SECONDS
        return is_in_use or self._dependencies.is_configured(self._request)


def next_fetch_time(expiration: float, now: float, renew_seconds: float, jitter: float) -> float:
    """When to fetch the next credentials, in seconds since the epoch.

    Args:
        expiration: When the current ones expire, in seconds since the epoch.
        now: When they were fetched, in seconds since the epoch.
        renew_seconds: The longest time between two fetches.
        jitter: From 0 (included) to 1 (excluded); the larger, the earlier, so that refreshers do not fetch in step.
    """
    left = expiration - now
    wait = min(renew_seconds, left - min(left / 2, MAX_AHEAD_SECONDS))
    return now + max(_MIN_SECONDS, wait * (1 - _JITTER * jitter))
