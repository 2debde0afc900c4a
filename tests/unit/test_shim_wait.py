"""The retry policy on a fake clock: one deadline, and log lines with the reasons."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.errors import MockUnreachableError, ResolveError
from imds_shim.network.wait import Target, retry_until_found
from support.fakes import FakeClock, Lines

MOCK = Target("mock_metadata", 80)


class Attempts:
    """Raises each error in turn, then the last one forever; `None` is success."""

    def __init__(self, clock: FakeClock, *reasons: Exception | None, seconds: float = 0) -> None:
        self._clock, self._reasons, self._seconds = clock, list(reasons), seconds
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        self._clock.sleep(self._seconds)
        reason = self._reasons.pop(0) if len(self._reasons) > 1 else self._reasons[0]
        if reason is not None:
            raise reason
        return "found"


def test_a_successful_first_attempt_neither_logs_nor_sleeps() -> None:
    clock, lines = FakeClock(), Lines()
    before = clock.now
    assert retry_until_found(Attempts(clock, None), MOCK, clock.deadline(60), lines.log, clock.sleep) == "found"
    assert (clock.now, lines.lines) == (before, [])


def test_a_later_mock_is_found_soon() -> None:
    clock, lines = FakeClock(), Lines()
    deadline = clock.deadline(60)

    def attempt() -> float:
        if deadline.elapsed() < 20:
            raise MockUnreachableError("10.0.0.2:80 refuses the connection")
        return deadline.elapsed()

    assert retry_until_found(attempt, MOCK, deadline, lines.log, clock.sleep) < 20.6


def test_a_line_for_each_new_reason_and_every_five_seconds() -> None:
    clock, lines = FakeClock(), Lines()
    deadline = clock.deadline(60)

    def attempt() -> str:
        if deadline.elapsed() < 3:
            raise ResolveError("NXDOMAIN")
        if deadline.elapsed() < 15:
            raise MockUnreachableError("10.0.0.2:80 refuses the connection")
        return "found"

    retry_until_found(attempt, MOCK, deadline, lines.log, clock.sleep)
    said = [line.partition(": ") for line in lines.lines]
    assert [reason for _, _, reason in said] == ["NXDOMAIN", *["10.0.0.2:80 refuses the connection"] * 3]
    assert said[0][0] == "waiting for mock_metadata:80 (0 s of 60 s)"
    moments = [int(head.partition("(")[2].partition(" ")[0]) for head, _, _ in said]
    assert moments[1] == 3
    assert all(5 <= later - earlier <= 6 for earlier, later in pairwise(moments[1:]))


@pytest.mark.parametrize("kind", [ResolveError, MockUnreachableError])
def test_the_error_names_target_attempts_and_last_reason(kind: type[Exception]) -> None:
    clock, lines = FakeClock(), Lines()
    attempts = Attempts(clock, ResolveError("first"), kind("the last one"))
    with pytest.raises(kind) as caught:
        retry_until_found(attempts, MOCK, clock.deadline(10), lines.log, clock.sleep)
    message = str(caught.value)
    assert "mock_metadata" in message
    assert f"within 10 s (attempts: {attempts.count}; last reason: the last one)" in message


def test_other_errors_end_the_wait_at_once() -> None:
    clock, lines = FakeClock(), Lines()
    with pytest.raises(ZeroDivisionError):
        retry_until_found(
            Attempts(clock, ResolveError("x"), ZeroDivisionError()), MOCK, clock.deadline(9), lines.log, clock.sleep
        )
    assert clock.now < 1001


@given(timeout=st.floats(0.01, 60), each=st.floats(0, 3))
def test_the_deadline_is_kept_however_long_an_attempt_takes(timeout: float, each: float) -> None:
    """An attempt ends never after the deadline, and at most half a second before it."""
    clock, lines = FakeClock(), Lines()
    deadline = clock.deadline(timeout)

    def attempt() -> str:
        clock.sleep(min(each, deadline.remaining()))
        raise MockUnreachableError("no")

    with pytest.raises(MockUnreachableError):
        retry_until_found(attempt, MOCK, deadline, lines.log, clock.sleep)
    assert timeout - 0.5 <= deadline.elapsed() <= timeout + 0.001
