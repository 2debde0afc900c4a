"""Until the mock answers as an IMDS: the retry policy, with one deadline over resolving and asking."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from imds_shim.endpoints import CONTROL_PORT
from imds_shim.errors import MockUnreachableError, ResolveError
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_shim.deadline import Deadline
    from imds_shim.log import Log

_Found = TypeVar("_Found")

SHORTEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.05, 0.5
SHORTEST_TRY_SECONDS = 0.25  # a try that is given less says nothing about the mock
SILENCE_SECONDS = 5.0


class Target(Record):
    """What is waited for, as the user named it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def until_found(
    attempt: Callable[[], _Found],
    target: Target,
    deadline: Deadline,
    say: Log,
    sleep: Callable[[float], None] = time.sleep,
) -> _Found:
    """Return what the first successful try returns.

    Raises:
        ResolveError: the deadline passed and the last try found no address.
        MockUnreachableError: the deadline passed and the last try found no IMDS.
    """
    try:
        return attempt()
    except (ResolveError, MockUnreachableError) as error:
        return _retry(attempt, _Progress(target, deadline, say, error), deadline, sleep)


def _retry(
    attempt: Callable[[], _Found], progress: _Progress, deadline: Deadline, sleep: Callable[[float], None]
) -> _Found:
    import tenacity  # noqa: PLC0415 - a first try that succeeds needs no retry machinery

    backoff = tenacity.wait_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS)

    def pause(state: tenacity.RetryCallState) -> float:
        return min(backoff(state), max(0.0, deadline.remaining() - SHORTEST_TRY_SECONDS))

    def is_over(_state: tenacity.RetryCallState) -> bool:
        # A little more, so that no pause is too short for the clock to move.
        return deadline.remaining() <= SHORTEST_TRY_SECONDS + SHORTEST_PAUSE_SECONDS

    def once_more() -> _Found:
        try:
            return attempt()
        except (ResolveError, MockUnreachableError) as error:
            progress.failed(error)
            raise

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((ResolveError, MockUnreachableError)),
        wait=pause,
        stop=is_over,
        sleep=sleep,
        reraise=True,
    )
    try:
        if deadline.remaining() <= SHORTEST_TRY_SECONDS:
            raise progress.last
        sleep(min(FIRST_PAUSE_SECONDS, deadline.remaining()))
        return retrying(once_more)
    except (ResolveError, MockUnreachableError) as error:
        raise progress.summary() from error


class _Progress:
    """What has been tried so far, said when it changes and now and then otherwise."""

    def __init__(
        self, target: Target, deadline: Deadline, say: Log, error: ResolveError | MockUnreachableError
    ) -> None:
        self._target, self._deadline, self._say = target, deadline, say
        self._tries = 0
        self._said_at = 0.0
        self.last = error
        self.failed(error)

    def failed(self, error: ResolveError | MockUnreachableError) -> None:
        changed = self._tries == 0 or str(error) != str(self.last)
        self._tries += 1
        self.last = error
        now = self._deadline.elapsed()
        if changed or now - self._said_at >= SILENCE_SECONDS:
            self._said_at = now
            self._say.info(f"waiting for {self._target} ({now:.0f} s of {self._deadline.seconds:g} s): {error}")

    def summary(self) -> ResolveError | MockUnreachableError:
        after = f"within {self._deadline.seconds:g} s, {self._tries} tries; last reason: {self.last}"
        if isinstance(self.last, ResolveError):
            return ResolveError(
                f"{self._target.host} has no usable address {after}; check the name in MOCK_HOSTNAME, that the mock "
                "runs, and that both containers are on one network (docker run: --network NAME)"
            )
        check = "check that the mock runs, and that MOCK_HOSTNAME and MOCK_PORT lead to it"
        if self._target.port == CONTROL_PORT:
            check = f"MOCK_PORT={CONTROL_PORT} is the mock's control port by default; its metadata port is 80"
        return MockUnreachableError(f"no IMDS answered at {self._target} {after}; {check}")
