"""The lock among shims, with a fake socket; tests/netns takes it on the real kernel."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Self

import pytest

from imds_shim.nat import lock


class FakeSocket:
    """Fails to bind with each error in turn, then succeeds."""

    def __init__(self, errors: list[int]) -> None:
        self.errors = errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def bind(self, _name: str) -> None:
        if self.errors:
            raise OSError(self.errors.pop(0), "refused")


@pytest.mark.parametrize(
    ("errors", "pauses"),
    [
        ([], 0),
        ([errno.EADDRINUSE] * 3, 3),
        ([errno.EADDRINUSE] * 5000, lock.LONGEST_WAIT_SECONDS / lock.POLL_SECONDS),
        ([errno.EPERM], 0),
    ],
)
def test_a_taken_lock_is_awaited_and_an_unavailable_one_is_not(
    monkeypatch: pytest.MonkeyPatch, errors: list[int], pauses: float
) -> None:
    fake = SimpleNamespace(socket=lambda *_: FakeSocket(errors), AF_UNIX=1, SOCK_DGRAM=2)
    monkeypatch.setattr(lock, "socket", fake)
    slept: list[float] = []
    with lock.lock(sleep=slept.append):
        assert len(slept) == pauses
