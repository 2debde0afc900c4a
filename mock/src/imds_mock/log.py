"""Writes standard error and log files from a separate thread, so that no reader and no disk can delay the mock.

A write to a pipe, a terminal or a disk takes as long as its reader or device does. `O_NONBLOCK` does not help: it
belongs to the open file description, which the mock shares with the shell, the container engine or other processes, and
their writes would start to fail. Nor does `poll`: another writer can fill the pipe between `poll` and `write`. So the
descriptor stays as it is, and only the thread waits for it. It is a daemon thread: a write that never returns does not
keep the process alive.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WAITING_BYTES: Final = 1024 * 1024
"""The most that waits for a reader; later lines are dropped and counted."""

MAX_LINES: Final = 200
WINDOW_SECONDS: Final = 10.0
"""At most `MAX_LINES` lines that callers can cause in `WINDOW_SECONDS`; further ones are dropped and counted."""

PATIENCE_SECONDS: Final = 0.5
"""How long the program waits at its end for one write."""

_MOST_WAITS: Final = 6

LOST: Final = "imds-mock: %d log lines were lost, because the log was not read or could not be written\n"
LOST_JSON: Final = '{"lost":%d}\n'
_PIECE_BYTES: Final = 65536
_STANDARD_ERROR: Final = 2


class Outlet:
    """Writes lines to a file descriptor without ever delaying the caller.

    Lines that cannot be written (closed pipe, full disk) or do not fit into `MAX_WAITING_BYTES` are dropped. Their
    number is written as soon as the descriptor accepts lines again.

    Args:
        descriptor: Open file descriptor; stays open and unchanged.

    Attributes:
        lost_notice: The line that reports how many lines were lost.
    """

    def __init__(self, descriptor: int) -> None:
        self.lost_notice = LOST
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._waiting: list[tuple[bytes, int]] = []  # text, and how many lost lines it reports
        self._waiting_bytes = 0
        self._lost = 0
        self._is_torn = False  # the last line was written in part
        self._is_closing = False
        self._writes = 0  # begun and ended ones: odd while one is in progress
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Write one or more lines soon, each with its line feed."""
        data = text.encode("utf-8", "backslashreplace")
        with self._changed:
            room = MAX_WAITING_BYTES - self._waiting_bytes
            kept = data if len(data) <= room else data[: data.rfind(b"\n", 0, max(0, room)) + 1]
            if kept:
                self._report_lost()
                self._add(kept, 0)
            self._lost += data.count(b"\n", len(kept))

    def close(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everything is written, but not for a write that takes longer than the given time."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        # A slow reader, or a busy machine that has not run the thread yet, gets more time.
        for _ in range(_MOST_WAITS):
            writes = self._writes
            self._thread.join(patience_seconds)
            if not self._thread.is_alive() or (writes % 2 and writes == self._writes):
                return

    def close_file(self) -> None:
        """Close the outlet, and its descriptor unless a write to it hangs."""
        self.close()
        if not self._thread.is_alive():
            os.close(self._descriptor)

    def _report_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self._add((self.lost_notice % lost).encode(), lost)

    def _add(self, data: bytes, lost: int) -> None:
        self._waiting.append((data, lost))
        self._waiting_bytes += len(data)
        self._changed.notify()

    def _run(self) -> None:
        # The main thread handles signals; this one may be in a write that does not return.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            with self._changed:
                while not self._waiting:
                    if self._is_closing:
                        return
                    self._changed.wait()
                texts, self._waiting = self._waiting, []
                self._waiting_bytes = 0
            lost, is_accepting = 0, True
            for data, reported in texts:
                left = self._write(data)
                is_accepting = not left
                if left:
                    lost += reported or left.count(b"\n")
            with self._changed:
                self._lost += lost
                if is_accepting and not self._waiting:
                    self._report_lost()

    def _write(self, data: bytes) -> bytes:
        """Write lines; returns what could not be written."""
        if self._is_torn and self._write_bytes(b"\n"):
            return data
        left = self._write_bytes(data)
        self._is_torn = 0 < len(left) < len(data)
        return left

    def _write_bytes(self, data: bytes) -> bytes:
        left = memoryview(data)
        while left:
            self._writes += 1
            try:
                left = left[os.write(self._descriptor, left[:_PIECE_BYTES]) :]
            except BlockingIOError:
                # Another process that shares the descriptor made it non-blocking.
                ready = select.poll()
                ready.register(self._descriptor, select.POLLOUT)
                ready.poll()
            except OSError:
                break
            finally:
                self._writes += 1
        return bytes(left)


class StandardError(io.TextIOBase):
    """Replaces `sys.stderr`, so that notes, warnings, loggers and tracebacks all go through one outlet.

    Text from libraries and the interpreter counts towards `MAX_LINES`, because callers can cause it.

    Args:
        outlet: Where lines are written.
        clock: Monotonic clock in seconds.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, outlet: Outlet, clock: Callable[[], float] = time.monotonic) -> None:
        self.outlet = outlet
        self._clock = clock
        self._lock = threading.Lock()
        self._partial = ""
        self._window_ends = 0.0
        self._lines = 0
        self._dropped = 0

    def writable(self) -> bool:
        """Always true."""
        return True

    def fileno(self) -> int:
        """The descriptor that child processes inherit."""
        return _STANDARD_ERROR

    def write(self, text: str) -> int:
        """Write text; whole lines are passed on, up to the limit of lines."""
        with self._lock:
            *lines, self._partial = (self._partial + text).split("\n")
            allowed = "".join(f"{line}\n" for line in lines if self._is_allowed())
        if allowed:
            self.outlet.write(allowed)
        return len(text)

    def note(self, line: str) -> None:
        """Write a line that callers cannot cause."""
        self.outlet.write(f"{line}\n")

    def _is_allowed(self) -> bool:
        now = self._clock()
        if now >= self._window_ends:
            self._window_ends, self._lines = now + WINDOW_SECONDS, 0
            if self._dropped:
                self.note(f"imds-mock: dropped {self._dropped} log lines")
                self._dropped = 0
        self._lines += 1
        if self._lines > MAX_LINES:
            if not self._dropped:
                self.note(f"imds-mock: more than {MAX_LINES} log lines in {WINDOW_SECONDS:.0f} s; the rest is dropped")
            self._dropped += 1
            return False
        return True


def install() -> None:
    """Make standard error unable to delay or end this process.

    Does nothing if `sys.stderr` was replaced already, as in tests.
    """
    if sys.stderr is not sys.__stderr__:
        return
    # The number of a closed standard descriptor would go to the next file or socket that is opened.
    for descriptor in range(_STANDARD_ERROR + 1):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    outlet = Outlet(_STANDARD_ERROR)
    sys.stderr = StandardError(outlet)
    atexit.register(outlet.close)


def standard_error() -> Outlet:
    """The outlet of standard error."""
    return sys.stderr.outlet if isinstance(sys.stderr, StandardError) else Outlet(_STANDARD_ERROR)


def say(sentence: str) -> None:
    """Write a note to standard error; use `say_limited` for notes that callers can cause."""
    if isinstance(sys.stderr, StandardError):
        sys.stderr.note(f"imds-mock: {sentence}")
    else:
        say_limited(sentence)


def say_limited(sentence: str) -> None:
    """Write a note to standard error that counts towards the limit of lines, because callers can cause it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"imds-mock: {sentence}\n")
