"""Ends a script by SIGTERM as by Ctrl-C, so that its context managers clean up."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

_GRACE_SECONDS: Final = 30


class Terminated(KeyboardInterrupt):
    """The process has received SIGTERM."""


@contextlib.contextmanager
def as_interrupt() -> Iterator[None]:
    """Raise `Terminated` at the first SIGTERM until the block ends; later ones do not disturb the cleanup."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before in {_terminate, _is_ending}:
        yield  # in a block of this function
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command, from the main thread; returns its exit code, negative if a signal ended it.

    If this process is interrupted meanwhile, the command has 30 s to end. Ctrl-C reaches it from the terminal; SIGTERM
    is passed on.

    Raises:
        OSError: The command cannot be executed.
    """
    # A signal that interrupts the constructor would leave a command behind that nobody knows.
    with _postponed(signal.SIGTERM) as deliver, subprocess.Popen(command, env=dict(environment)) as process:
        try:
            deliver()
            return process.wait()
        except KeyboardInterrupt as interrupt:
            if isinstance(interrupt, Terminated):
                process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            raise
        finally:
            process.kill()


@contextlib.contextmanager
def _postponed(number: signal.Signals) -> Iterator[Callable[[], None]]:
    """Keep a signal back until the yielded function is called, or until the block ends."""
    received = []
    before = signal.getsignal(number)

    def keep(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    def deliver() -> None:
        if signal.getsignal(number) is keep:
            signal.signal(number, before)
            if received:
                signal.raise_signal(number)

    signal.signal(number, keep)
    try:
        yield deliver
    finally:
        deliver()


def _terminate(_number: int, _frame: FrameType | None) -> None:
    # Not SIG_IGN, which the programs that the cleanup runs would inherit.
    signal.signal(signal.SIGTERM, _is_ending)
    raise Terminated


def _is_ending(_number: int, _frame: FrameType | None) -> None:
    """The first SIGTERM has started the cleanup."""
