"""Ends a script whose standard output cannot be written as the two programs end: quietly, or with one sentence."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

READER_GONE: Final = 128 + 13
"""The exit code if the reader has gone, as a shell reports SIGPIPE."""
_CANNOT_WRITE: Final = 74  # of sysexits.h
_UNWRITABLE: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def ended(name: str, main: Callable[[], int]) -> int:
    """Run a script's function; returns the exit code.

    Args:
        name: The script's name in messages.
        main: Prints to standard output.
    """
    try:
        try:
            return main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        # Otherwise the interpreter writes the rest at its exit, and reports the error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return READER_GONE
        print(f"{name}: cannot write its output: {error.strerror}", file=sys.stderr)
        return _CANNOT_WRITE
