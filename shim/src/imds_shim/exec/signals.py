"""The shim's signal handlers: SIGTERM and SIGINT end it, even as PID 1, for which the kernel drops unhandled signals.

A handler that raises also interrupts a blocking call (PEP 475). At exec the kernel resets handled signals to their
default action, so the command is not affected. A signal that was ignored from the start (nohup) stays ignored.

CPython ignores SIGPIPE and SIGXFSZ before any of our code runs, and ignored signals stay ignored after exec. Therefore
an empty handler replaces this, unless they were ignored from the start, which only the tree's launcher can tell.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from imds_shim.errors import Interrupted
from imds_shim.without_enums import signal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

IGNORED_BY_CPYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
TERMINATING = (signal.SIGTERM, signal.SIGINT)
_RERAISE_DELAY_SECONDS = 0.001


class Interrupts:
    """Raises `Interrupted` on SIGTERM and SIGINT, at once or at the end of a `deferred()` block."""

    def __init__(self) -> None:
        self._deferring = False
        self._received: int | None = None

    def install(self, ignored: Collection[int] = ()) -> None:
        """Install the handlers.

        Args:
            ignored: the signals in IGNORED_BY_CPYTHON that were ignored from the start and stay ignored.
        """
        for number in IGNORED_BY_CPYTHON:
            if number not in ignored:
                signal.signal(number, _do_nothing)
        sys.unraisablehook = self._reraise
        for number in TERMINATING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            # The shim is already undoing its changes because of the first signal.
            return
        self._received = number
        if not self._deferring:
            raise Interrupted(number)

    def _reraise(self, lost: sys.UnraisableHookArgs) -> None:
        """Raise again an `Interrupted` that was raised in a destructor or callback, from which Python drops it."""
        interrupt = lost.exc_value
        if not isinstance(interrupt, Interrupted):
            sys.__unraisablehook__(lost)
            return
        self._received = None
        signal.signal(signal.SIGALRM, lambda _number, frame: self._handle(interrupt.signal_number, frame))
        signal.setitimer(signal.ITIMER_REAL, _RERAISE_DELAY_SECONDS)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Complete this block before a signal ends the shim."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._received is not None:
            raise Interrupted(self._received)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the system call fail with its own error, as with an ignored signal."""


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Block both signals during a short step that could not be undone."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
