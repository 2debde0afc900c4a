"""The shim's log: one line per message on standard error."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Level = Literal["debug", "info", "warning", "error"]
_LONGEST = 4000  # of a sentence, which may list all settings
_ORDER: tuple[Level, ...] = ("debug", "info", "warning", "error")


def to_stderr(line: bytes) -> None:
    """Write a line in one system call, so that lines of two processes do not mix. Errors are ignored."""
    if sys.stderr is None:
        # Descriptor 2 was closed when the shim started, and may now be one of its sockets.
        return
    try:
        os.write(2, line)
    except OSError:
        return


class Log:
    """Writes lines `imds-shim: ...` of at least one level."""

    def __init__(self, level: Level = "info", write: Callable[[bytes], None] = to_stderr) -> None:
        self._lowest = _ORDER.index(level)
        self._write = write

    def debug(self, sentence: str) -> None:
        """Log a detail for finding a fault."""
        self._log("debug", sentence)

    def info(self, sentence: str) -> None:
        """Log a completed step."""
        self._log("info", sentence)

    def warning(self, sentence: str) -> None:
        """Log a problem that does not end the start."""
        self._log("warning", sentence)

    def error(self, sentence: str) -> None:
        """Log why the start fails."""
        self._log("error", sentence)

    def _log(self, level: Level, sentence: str) -> None:
        if _ORDER.index(level) < self._lowest:
            return
        mark = "warning: " if level == "warning" else ""
        # A server's response may contain control characters; they must not reach a terminal or break the line.
        text = "".join(character if character.isprintable() else "?" for character in sentence)
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"
        self._write(f"imds-shim: {mark}{text}\n".encode("utf-8", "backslashreplace"))
