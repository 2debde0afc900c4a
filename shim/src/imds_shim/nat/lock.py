"""The lock that lets only one shim at a time change rules and routes of a network namespace.

Containers may share a network namespace and start at the same time. The lock is the name of an abstract Unix socket.
Such names belong to a network namespace, need no file and are released when the process ends.
"""

from __future__ import annotations

import contextlib
import errno
import time
from typing import TYPE_CHECKING

from imds_shim.system import read_text_or_empty
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "\0imds-shim"
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.002, 0.02
# A change takes about 10 ms, and up to 1 s if twenty shims start on a busy machine. What holds the name longer
# is not a working shim.
LONGEST_HOLD_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 60.0
_SOCKETS = "/proc/self/net/unix"

_foreign: set[str] = set()
"""Holders that have held the name too long, so that the next change does not wait for them again."""


def _holder() -> str:
    """Return the inode of the socket that has the name; "" if it is free again or cannot be read."""
    for line in read_text_or_empty(_SOCKETS).splitlines():
        fields = line.split()
        # Num, RefCount, Protocol, Flags, Type, St, Inode, Path; @ stands for the zero byte.
        if fields[7:] == ["@imds-shim"]:
            return fields[6]
    return ""


@contextlib.contextmanager
def lock(
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    holder: Callable[[], str] = _holder,
) -> Iterator[None]:
    """Hold the lock during a `with` block.

    The block runs without the lock if one process holds the name for `LONGEST_HOLD_SECONDS`, or if others hold it in
    turn for `LONGEST_WAIT_SECONDS`: another program's use of the name must not keep containers from starting.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        if not _bind(own):
            _wait(own, sleep, clock, holder)
        yield


def _bind(own: socket.socket) -> bool:
    """Try to take the name; False if another socket has it."""
    try:
        own.bind(NAME)
    except OSError as error:
        # Any other error would come again.
        return error.errno != errno.EADDRINUSE
    return True


def _wait(
    own: socket.socket, sleep: Callable[[float], None], clock: Callable[[], float], holder: Callable[[], str]
) -> None:
    """Wait until the name is free, or its holder is not a shim at work."""
    pause, seen, since = SHORTEST_PAUSE_SECONDS, holder(), clock()
    end = since + LONGEST_WAIT_SECONDS
    while seen not in _foreign:
        sleep(pause)
        if _bind(own) or clock() >= end:
            return
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        if clock() - since >= LONGEST_HOLD_SECONDS:
            now = holder()
            if now == seen:
                _foreign.add(now)
                return
            seen, since = now, clock()
