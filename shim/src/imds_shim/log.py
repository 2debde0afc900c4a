"""One line each to standard error, which is all that the shim ever prints while it starts something."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Level = Literal["debug", "info", "warning", "error"]
_ORDER: tuple[Level, ...] = ("debug", "info", "warning", "error")


def to_stderr(line: bytes) -> None:
    """Write in one piece, so that lines of two processes do not mix; a log that cannot be written stops nothing."""
    if sys.stderr is None:
        # Descriptor 2 was closed when we were started, and may by now be a socket of ours.
        return
    try:
        os.write(2, line)
    except OSError:
        return


class Log:
    """Lines `imds-shim: ...` of at least a chosen level."""

    def __init__(self, level: Level = "info", write: Callable[[bytes], None] = to_stderr) -> None:
        self._lowest = _ORDER.index(level)
        self._write = write

    def debug(self, sentence: str) -> None:
        """Say what only someone hunting a fault wants to know."""
        self._say("debug", sentence)

    def info(self, sentence: str) -> None:
        """Say what was done."""
        self._say("info", sentence)

    def warning(self, sentence: str) -> None:
        """Say what the user should look at although the start goes on."""
        self._say("warning", sentence)

    def error(self, sentence: str) -> None:
        """Say why the start ends."""
        self._say("error", sentence)

    def _say(self, level: Level, sentence: str) -> None:
        if _ORDER.index(level) < self._lowest:
            return
        mark = "warning: " if level == "warning" else ""
        # Control characters of a foreign answer must not reach a terminal, nor make two lines of one.
        text = "".join(character if character.isprintable() else "?" for character in sentence)
        self._write(f"imds-shim: {mark}{text}\n".encode("utf-8", "backslashreplace"))
