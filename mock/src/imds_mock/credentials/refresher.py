"""Credentials kept fresh: fetched ahead of their end, asked for again with growing pauses while they cannot be had.

EC2 promises new credentials five minutes before the old ones end, and SDKs begin to ask for them a quarter of an hour
before. So new ones are fetched when half of their life is left, 25 minutes at the most. Pauses after failures grow
exponentially with full jitter. Whatever goes wrong, the last good ones are shown as long as they are good.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tenacity import AsyncRetrying, retry_if_exception_type

from imds_mock.credentials.requests import FetchError
from imds_mock.credentials.values import RoleCredentials
from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

    from imds_mock.credentials.requests import CredentialRequest, Fetched

MOST_AHEAD_SECONDS: Final = 25 * 60
LONGEST_PAUSE_SECONDS: Final = 60.0
COMPLAIN_AGAIN_SECONDS: Final = 300.0
UNKNOWN_LIFE_SECONDS: Final = 3600
"""How long credentials are said to be good whose end nobody told; they are looked at again before."""

_FIRST_PAUSE_SECONDS: Final = 1.0
_LEAST_SECONDS: Final = 5.0
_SPREAD: Final = 0.1
# The wall clock counts, and a laptop that slept has skipped some of it.
_NAP_SECONDS: Final = 30.0
_FORGOTTEN_AFTER_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Means:
    """What a keeper works with.

    Attributes:
        fetch: Fetches what an order asks for; raises `FetchError`.
        clock: Wall clock, seconds since the epoch.
        sleep: Waits for so many seconds.
        random: Gives numbers from 0 up to 1.
        log: Takes a sentence for the log.
        is_configured: Whether the configuration in force has such an order.
    """

    fetch: Callable[[CredentialRequest], Awaitable[Fetched]]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]
    log: Callable[[str], None]
    is_configured: Callable[[CredentialRequest], bool]


class Refresher:
    """Keeps the credentials of one order.

    Args:
        order: The order.
        means: What it works with.

    Attributes:
        refused_at: When STS said last that the role may not be assumed; None if it does not.
    """

    def __init__(self, order: CredentialRequest, means: Means) -> None:
        self._order = order
        self._means = means
        self._held: RoleCredentials | None = None
        self._fetched_at = self._wished_after = self._ended_at = self._changed_at = -math.inf
        self._ended = asyncio.Event()
        self._asked_at = means.clock()
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._complained: tuple[str, float] | None = None
        self.refused_at: float | None = None

    def held(self, now: float) -> RoleCredentials | None:
        """The last credentials that were fetched, as long as they are good.

        Args:
            now: Seconds since the epoch.
        """
        self._asked_at = now
        held = self._held
        return held if held is not None and now < held.expiration else None

    def renew_after(self, moment: float) -> None:
        """Have new credentials fetched, unless those that are there are newer than a moment.

        Args:
            moment: Seconds since the epoch.
        """
        if moment > max(self._fetched_at, self._wished_after):
            self._wished_after = moment
            self._wake.set()

    async def settled(self) -> None:
        """Wait until there are credentials, or it is known that somebody has to do something for them."""
        await self._settled.wait()

    async def caught_up(self) -> str | None:
        """Wait until an attempt has ended since new credentials were last asked for.

        Returns:
            Why there are no other ones; None if there are, or if none were asked for.
        """
        wished = self._wished_after
        while self._ended_at < wished:
            await self._ended.wait()
        if self._fetched_at < wished:
            return self._complained[0] if self._complained else "they cannot be fetched"
        return "their source gives the same ones again" if self._changed_at < wished else None

    @property
    def subject(self) -> str:
        """Whose credentials they are."""
        return self._order.subject

    async def run(self) -> None:
        """Keep them fresh until nobody wants them any more."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(FetchError),
            wait=self._pause_after,
            sleep=self._rest,
            before_sleep=self._note_failure,
        )
        while self._is_wanted():
            again: float | None = await retrying(self._fetch)
            if again is not None:
                await self._rest(again - self._means.clock())

    async def _fetch(self) -> float | None:
        """Fetch once.

        Returns:
            When to do so again; None when nobody wants them any more.

        Raises:
            FetchError: They cannot be had.
        """
        if not self._is_wanted():
            return None
        fetched = await self._means.fetch(self._order)
        now = self._means.clock()
        expiration = now + UNKNOWN_LIFE_SECONDS if fetched.expiration is None else fetched.expiration
        if expiration <= now:
            raise FetchError("other", f"they ended at {iso8601(expiration)}; renew them where they come from")
        self._take(fetched, now, math.floor(expiration))
        return due(expiration, now, self._order.renew_seconds, self._means.random())

    def _take(self, fetched: Fetched, now: float, expiration: float) -> None:
        before = self._held
        # The same ones given out again are no new ones, unless their end has moved.
        if before is None or (before.access_key_id, before.expiration) != (fetched.access_key_id, expiration):
            self._held = RoleCredentials(
                fetched.access_key_id, fetched.secret_access_key, fetched.session_token, math.floor(now), expiration
            )
        if before is None or before.access_key_id != fetched.access_key_id:
            self._changed_at = now
        self._fetched_at = now
        self._wake.clear()
        if before is None or self._complained is not None:
            self._means.log(f"credentials of {self._order.subject} until {iso8601(expiration)}")
        self._complained = self.refused_at = None
        self._settled.set()
        self._end_attempt(now)

    def _note_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, FetchError):
            return
        now = self._means.clock()
        self.refused_at = now if error.problem == "refused" else None
        if error.problem != "unreachable":
            self._settled.set()
        sentence = str(error)
        if self._complained is None or self._complained[0] != sentence or now >= self._complained[1]:
            self._complained = sentence, now + COMPLAIN_AGAIN_SECONDS
            held = self._held
            meanwhile = (
                f"; those until {iso8601(held.expiration)} are served meanwhile"
                if held is not None and now < held.expiration
                else ""
            )
            self._means.log(f"no credentials of {self._order.subject}: {sentence}{meanwhile}")
        self._end_attempt(now)

    def _end_attempt(self, now: float) -> None:
        self._ended_at = now
        self._ended.set()
        self._ended = asyncio.Event()

    def _pause_after(self, state: RetryCallState) -> float:
        most = min(LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(state.attempt_number - 1, 16))
        return most * self._means.random()

    async def _rest(self, seconds: float) -> None:
        """Wait, unless somebody asks for new credentials."""
        until = self._means.clock() + seconds
        while not self._wake.is_set() and (left := until - self._means.clock()) > 0:
            nap = asyncio.ensure_future(self._means.sleep(min(left, _NAP_SECONDS)))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({nap, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                nap.cancel()
                woken.cancel()
        self._wake.clear()

    def _is_wanted(self) -> bool:
        recently = self._means.clock() - self._asked_at < _FORGOTTEN_AFTER_SECONDS
        return recently or self._means.is_configured(self._order)


def due(expiration: float, now: float, renew_seconds: float, early: float) -> float:
    """When the next credentials are fetched.

    Args:
        expiration: The end of those that are there, in seconds since the epoch.
        now: When they were fetched.
        renew_seconds: After this time at the latest.
        early: From 0 up to 1: how much earlier than need be, so that many do not come at once.

    Returns:
        Seconds since the epoch.
    """
    left = expiration - now
    wait = min(renew_seconds, left - min(left / 2, MOST_AHEAD_SECONDS))
    return now + max(_LEAST_SECONDS, wait * (1 - _SPREAD * early))
