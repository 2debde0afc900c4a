"""One shim at a time: reading what is there, deciding and writing must not mix with the same of another.

Containers may share a network namespace and start together. The lock is the name of an abstract Unix socket: those are
kept per network namespace, which is just what is to be guarded, need no file and end with the process that holds them.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "\0imds-shim"
POLL_SECONDS = 0.002
# A change takes a hundredth of a second; whoever holds the name for longer is no shim at work.
LONGEST_WAIT_SECONDS = 2.0


@contextlib.contextmanager
def lock(sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Wait until no other shim changes rules or routes of this network namespace, and let none do so meanwhile."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        for _ in range(round(LONGEST_WAIT_SECONDS / POLL_SECONDS)):
            try:
                lock.bind(NAME)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    break
                sleep(POLL_SECONDS)
            else:
                break
        yield
