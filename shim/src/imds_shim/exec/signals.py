"""Signals while the shim is at work: SIGTERM and SIGINT end it, even as PID 1, which ignores what it does not catch.

A handler that raises also ends a socket call or sleep that is under way (PEP 475). The kernel sets caught signals back
to their default at exec, so nothing of this reaches the command; a signal that was ignored from the start (nohup)
stays ignored.

CPython ignores SIGPIPE and SIGXFSZ before any code of ours runs, and ignored signals survive exec. So a handler that
does nothing catches them instead, unless they were ignored from the start, which only the tree's launcher can see.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from imds_shim.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

IGNORED_BY_CPYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
ENDING = (signal.SIGTERM, signal.SIGINT)
_AGAIN_SECONDS = 0.001


class Interrupts:
    """Turns the two signals into `Interrupted`, at once or, inside `deferred()`, at its end."""

    def __init__(self) -> None:
        self._deferring = False
        self._arrived: int | None = None

    def install(self, ignored: Collection[int] = ()) -> None:
        """Catch both signals from now on.

        Args:
            ignored: those of IGNORED_BY_CPYTHON that were ignored from the start, and stay so.
        """
        for number in IGNORED_BY_CPYTHON:
            if number not in ignored:
                signal.signal(number, _do_nothing)
        sys.unraisablehook = self._raise_again
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._arrive)

    def _arrive(self, number: int, _frame: FrameType | None) -> None:
        if self._arrived is not None:
            # The first one is being acted upon: what was set is being taken back.
            return
        self._arrived = number
        if not self._deferring:
            raise Interrupted(number)

    def _raise_again(self, lost: sys.UnraisableHookArgs) -> None:
        """Raise once more what was raised in a destructor or a callback, from where Python does not pass it on."""
        interrupt = lost.exc_value
        if not isinstance(interrupt, Interrupted):
            sys.__unraisablehook__(lost)
            return
        self._arrived = None
        signal.signal(signal.SIGALRM, lambda _number, frame: self._arrive(interrupt.signal_number, frame))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a step that must not be left half done come to its end first."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._arrived is not None:
            raise Interrupted(self._arrived)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the system call fail with its own error, as an ignored signal does."""


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let both signals wait until a short step, which nothing else could undo, has come to its end."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
