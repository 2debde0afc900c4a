"""Standard output of the actions that print something: version, help, the doctor's report."""

from __future__ import annotations

import os
import sys

from imds_shim.errors import OutputClosedError, OutputError


def write_text(text: str) -> None:
    """Write text to standard output at once; nothing if it was closed when the shim started.

    Raises:
        OutputClosedError: its reader has gone, as `head` does.
        OutputError: it cannot be written, for example because the disk is full.
    """
    if sys.stdout is None:
        return
    left = memoryview(text.encode("utf-8", "backslashreplace"))
    try:
        # Not through `sys.stdout`, which would keep what it could not write, and report it again at exit.
        while left:
            left = left[os.write(1, left) :]
    except BrokenPipeError as error:
        raise OutputClosedError from error
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def write_line(line: str) -> None:
    """Write a line; see `write_text`."""
    write_text(f"{line}\n")
