"""TCP ports of loopback that belong to a test although nothing listens on them."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Reserve a port of 127.0.0.1 until the block ends: connections are refused until a server is started on it.

    The kernel gives the port to no other program and to no connection. A server that sets SO_REUSEADDR, as most do, can
    listen on it, because the socket that holds the port does not listen (socket(7)).
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
