"""The arguments and environment of this process as the kernel has them: bytes, in order, nothing lost.

`os.environ` drops duplicates and entries without `=`, and in a C locale the interpreter adds LC_CTYPE to it before any
code of ours runs (PEP 538). /proc/self/environ is the memory that exec filled; /proc/self/cmdline likewise.
"""

from __future__ import annotations

import os
import sys


def raw_arguments() -> list[bytes]:
    """Return the arguments after the program's name."""
    return [os.fsencode(argument) for argument in sys.argv[1:]]


def raw_environ(path: str = "/proc/self/environ") -> list[bytes]:
    """Return every environment entry, usually `NAME=value`."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - importing pathlib costs 2 ms
            text = file.read()
    except OSError:
        return _environ_of_libc()
    return text.split(b"\0")[:-1]


def _environ_of_libc() -> list[bytes]:
    """Return what the C library has: it lacks nothing either, but may hold what the interpreter added."""
    import ctypes  # noqa: PLC0415 - only where /proc is not mounted

    pointer = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    entries: list[bytes] = []
    while (entry := pointer[len(entries)]) is not None:
        entries.append(entry)
    return entries
