"""Programs in a real pseudo-terminal: what they write to it, and what a user types."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")
"""A control sequence that a program sends to a terminal."""


@dataclass
class Terminal:
    """A pseudo-terminal with a program in it.

    Attributes:
        process: The program's id.
        master: The end that a terminal emulator holds.
        output: What the program has written so far, with line feeds instead of the terminal's line ends.
    """

    process: int
    master: int
    output: str = ""
    code: int | None = None

    def read(self, seconds: float = 60.0) -> bool:
        """Read the next output; False at the end of the program's output or after some seconds without any."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        try:
            part = os.read(self.master, 65536)
        except OSError:  # the program has closed its end
            return False
        self.output += part.decode(errors="surrogateescape").replace("\r\n", "\n")
        return bool(part)

    def await_text(self, pattern: str, since: int = 0) -> int:
        """Read until the output since a position, without control sequences, has a pattern; the new position."""
        deadline = time.monotonic() + 60
        while not re.search(pattern, plain(self.output[since:])):
            alive = self.read() and time.monotonic() < deadline
            assert alive, (pattern, self.output[since:][-3000:])
        return len(self.output)

    def type(self, text: str) -> None:
        """Type text."""
        os.write(self.master, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size, of which the kernel informs the program."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def modes(self) -> int:
        """The local modes of the terminal, such as ECHO."""
        return int(termios.tcgetattr(self.master)[3])

    def end(self) -> int:
        """Read until the program ends; its exit code."""
        while self.read():
            pass
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return self.code


@contextlib.contextmanager
def terminal(
    command: Sequence[str | Path], environment: Mapping[str, str], columns: int = 80, lines: int = 24
) -> Iterator[Terminal]:
    """Run a program in a pseudo-terminal until the block ends.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        columns: Width of the terminal.
        lines: Height of the terminal.
    """
    process, master = pty.fork()
    if process == 0:  # pragma: no cover - the program
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.execve(command[0], [str(word) for word in command], dict(environment))  # noqa: S606 - no shell is wanted
    shown = Terminal(process, master)
    try:
        yield shown
    finally:
        if shown.code is None:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        os.close(master)


def run_in_terminal(
    command: Sequence[str | Path], environment: Mapping[str, str], columns: int = 80
) -> tuple[int, str]:
    """Run a program in a pseudo-terminal to its end; its exit code and output."""
    with terminal(command, environment, columns) as shown:
        return shown.end(), shown.output


def plain(text: str) -> str:
    """Text without control sequences."""
    return SEQUENCE.sub("", text)
