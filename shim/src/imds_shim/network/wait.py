"""The retry policy of the search for the mock, with one deadline for resolving and probing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from imds_shim.endpoints import CONTROL_PORT
from imds_shim.errors import MockUnreachableError, ResolveError
from imds_shim.frozen_record import FrozenRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_shim.deadline import Deadline
    from imds_shim.log import Log

_Found = TypeVar("_Found")

SHORTEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.05, 0.5
SHORTEST_TRY_SECONDS = 0.25  # a shorter attempt proves nothing about the mock
LOG_INTERVAL_SECONDS = 5.0


class Target(FrozenRecord):
    """The mock's host and port as the user wrote them."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def retry_until_found(
    attempt: Callable[[], _Found],
    target: Target,
    deadline: Deadline,
    log: Log,
    sleep: Callable[[float], None] = time.sleep,
) -> _Found:
    """Return the result of the first successful attempt.

    Raises:
        ResolveError: the deadline passed, and the last attempt found no address.
        MockUnreachableError: the deadline passed, and the last attempt found no IMDS.
    """
    try:
        return attempt()
    except (ResolveError, MockUnreachableError) as error:
        return _retry(attempt, _Progress(target, deadline, log, error), deadline, sleep)


def _retry(
    attempt: Callable[[], _Found], progress: _Progress, deadline: Deadline, sleep: Callable[[float], None]
) -> _Found:
    import tenacity

    backoff = tenacity.wait_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS)

    def pause(state: tenacity.RetryCallState) -> float:
        return min(backoff(state), max(0.0, deadline.remaining() - SHORTEST_TRY_SECONDS))

    def out_of_time(_state: tenacity.RetryCallState) -> bool:
        # The extra time keeps a pause from being shorter than the clock's resolution.
        return deadline.remaining() <= SHORTEST_TRY_SECONDS + SHORTEST_PAUSE_SECONDS

    def attempt_and_log() -> _Found:
        try:
            return attempt()
        except (ResolveError, MockUnreachableError) as error:
            progress.failed(error)
            raise

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((ResolveError, MockUnreachableError)),
        wait=pause,
        stop=out_of_time,
        sleep=sleep,
        reraise=True,
    )
    try:
        if deadline.remaining() <= SHORTEST_TRY_SECONDS:
            raise progress.last
        sleep(min(FIRST_PAUSE_SECONDS, deadline.remaining()))
        return retrying(attempt_and_log)
    except (ResolveError, MockUnreachableError) as error:
        raise progress.summary() from error


class _Progress:
    """Logs why attempts fail: when the reason changes, and at an interval otherwise."""

    def __init__(
        self, target: Target, deadline: Deadline, log: Log, error: ResolveError | MockUnreachableError
    ) -> None:
        self._target, self._deadline, self._log = target, deadline, log
        self._attempts = 0
        self._logged_at = 0.0
        self.last = error
        self.failed(error)

    def failed(self, error: ResolveError | MockUnreachableError) -> None:
        changed = self._attempts == 0 or str(error) != str(self.last)
        self._attempts += 1
        self.last = error
        now = self._deadline.elapsed()
        if changed or now - self._logged_at >= LOG_INTERVAL_SECONDS:
            self._logged_at = now
            self._log.info(f"waiting for {self._target} ({now:.0f} s of {self._deadline.seconds:g} s): {error}")

    def summary(self) -> ResolveError | MockUnreachableError:
        from imds_shim.surroundings import here

        after = f"within {self._deadline.seconds:g} s (attempts: {self._attempts}; last reason: {self.last})"
        if isinstance(self.last, ResolveError):
            return ResolveError(f"{self._target.host} had no usable address {after}. {here().check_name}")
        check = here().check_mock
        if self._target.port == CONTROL_PORT:
            check = f"MOCK_PORT={CONTROL_PORT} is the default of the mock's control port; its metadata port is 80"
        return MockUnreachableError(f"no IMDS answered at {self._target} {after}. {check}")
