"""The lock that lets only one shim at a time change rules and routes of a network namespace.

Containers may share a network namespace and start at the same time. The lock is the name of an abstract Unix socket.
Such names belong to a network namespace, need no file and are released when the process ends.
"""

from __future__ import annotations

import contextlib
import errno
import time
from typing import TYPE_CHECKING

from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "\0imds-shim"
POLL_SECONDS = 0.002
# A change takes about 10 ms; a process that holds the name longer is not a shim at work.
LONGEST_WAIT_SECONDS = 2.0


@contextlib.contextmanager
def lock(sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold the lock during a `with` block; after LONGEST_WAIT_SECONDS the block runs without it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as holder:
        for _ in range(round(LONGEST_WAIT_SECONDS / POLL_SECONDS)):
            try:
                holder.bind(NAME)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    break
                sleep(POLL_SECONDS)
            else:
                break
        yield
