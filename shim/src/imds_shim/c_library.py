"""Functions of the C library that `os` does not have, or not for entries without `=`.

ctypes is imported at the first call: it is an extension module, so it cannot be part of the tree's snapshot.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@cache  # ctypes makes a class for each object of a library
def load() -> Any:
    """Return the C library. Later calls read no file, which the application's user may not be allowed to."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def execve(program: bytes, arguments: Sequence[bytes], environ: Sequence[bytes]) -> int:
    """Execute a program with these raw entries, duplicates included; returns errno if that fails."""
    import ctypes

    words = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
    entries = (ctypes.c_char_p * (len(environ) + 1))(*environ, None)
    load().execve(program, words, entries)
    return ctypes.get_errno()


def prctl(option: int, argument: int) -> None:
    """Change a property of this process that has one argument; as prctl does. Raises OSError."""
    import ctypes

    unused = ctypes.c_ulong(0)
    _check(load().prctl(option, ctypes.c_ulong(argument), unused, unused, unused))


def capset(header: bytes, data: bytes) -> None:
    """Set the capabilities of this process, as capset does. Raises OSError.

    Args:
        header: `struct __user_cap_header_struct`.
        data: `struct __user_cap_data_struct[2]`.
    """
    _check(load().capset(header, data))


def _check(result: int) -> None:
    if result != 0:
        import ctypes

        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
