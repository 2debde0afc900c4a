"""The keyboard of a full-screen view: keys without Enter, changes of the size, and the modes of the terminal."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_CHARACTERS = 6


class Keyboard:
    """Reads keys from standard input while the block runs, then restores the terminal's modes.

    SIGTERM and SIGHUP end the block like an exception, so that the terminal is restored then, too. Ctrl-Z does nothing,
    because the shell would find the terminal in the view's modes.
    """

    def __init__(self) -> None:
        self._input = sys.stdin.fileno()
        self._reader, self._writer = os.pipe()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(os.close, self._reader)
        self._stack.callback(os.close, self._writer)
        os.set_blocking(self._writer, False)
        modes = termios.tcgetattr(self._input)
        self._stack.callback(termios.tcsetattr, self._input, termios.TCSAFLUSH, modes)
        for number, handler in ((signal.SIGWINCH, self._resized), (signal.SIGTERM, _end), (signal.SIGHUP, _end)):
            self._stack.callback(signal.signal, number, signal.signal(number, handler))
        tty.setcbreak(self._input)
        changed: list[Any] = termios.tcgetattr(self._input)
        changed[_CHARACTERS][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._input, termios.TCSADRAIN, changed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def wake(self) -> None:
        """End a call of `key` in another thread."""
        with contextlib.suppress(OSError):  # a full pipe wakes it as well
            os.write(self._writer, b"w")

    def key(self, seconds: float) -> str:
        """The next key; empty after some seconds, after a change of the terminal's size and after `wake`.

        Raises:
            EOFError: The terminal is gone.
        """
        ready, _, _ = select.select([self._input, self._reader], [], [], seconds)
        if self._reader in ready:
            os.read(self._reader, 4096)
        if self._input not in ready:
            return ""
        keys = os.read(self._input, 64)
        if not keys:
            raise EOFError
        return keys.decode(errors="replace")

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        self.wake()


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
