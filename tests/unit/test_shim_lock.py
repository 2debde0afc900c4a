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
        self.is_bound = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def bind(self, _name: str) -> None:
        if self.errors:
            raise OSError(self.errors.pop(0), "refused")
        self.is_bound = True


def waited(errors: list[int], monkeypatch: pytest.MonkeyPatch, held_seconds: float = 1e9) -> tuple[bool, float]:
    """Run a block while others hold the lock; returns whether it had the lock, and the seconds that it has waited.

    Args:
        errors: Outcomes of the attempts to take the lock; then it is free.
        monkeypatch: Replaces the sockets.
        held_seconds: How long each of the others holds it.
    """
    own = FakeSocket(errors)
    monkeypatch.setattr(lock, "socket", SimpleNamespace(socket=lambda *_: own, AF_UNIX=1, SOCK_DGRAM=2))
    pauses = [0.0]
    with lock.lock(pauses.append, lambda: sum(pauses), lambda: f"inode {sum(pauses) // held_seconds}"):
        return own.is_bound, sum(pauses)


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget holders of earlier tests."""
    monkeypatch.setattr(lock, "_foreign", set())


def test_a_free_lock_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited([], monkeypatch) == (True, 0)


def test_a_taken_lock_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    has_lock, seconds = waited([errno.EADDRINUSE] * 3, monkeypatch)
    assert has_lock
    assert seconds == pytest.approx(0.002 + 0.004 + 0.008)


def test_a_lock_that_the_kernel_refuses_is_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited([errno.EPERM], monkeypatch) == (False, 0)


def test_many_shims_are_awaited_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty starts on a busy machine, of half a second each."""
    has_lock, seconds = waited([errno.EADDRINUSE] * 1000, monkeypatch, held_seconds=0.5)
    assert has_lock
    assert seconds == pytest.approx(20, abs=0.1)


def test_another_program_that_keeps_the_name_costs_five_seconds_once(monkeypatch: pytest.MonkeyPatch) -> None:
    has_lock, seconds = waited([errno.EADDRINUSE] * 5000, monkeypatch)
    assert not has_lock
    assert seconds == pytest.approx(5, abs=0.1)
    assert waited([errno.EADDRINUSE] * 5000, monkeypatch) == (False, 0)


def test_nothing_delays_a_start_for_longer_than_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    has_lock, seconds = waited([errno.EADDRINUSE] * 50_000, monkeypatch, held_seconds=0.5)
    assert not has_lock
    assert seconds == pytest.approx(60, abs=0.1)
