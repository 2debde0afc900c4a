"""What is set on a client's socket itself: how far its packets go, and that it ends with a reset."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
# -1 gives a socket the system's own value back (ip(7), ipv6(7)).
_SYSTEM_HOP_LIMIT: Final = -1


def set_hop_limit(transport: asyncio.Transport, hop_limit: int | None) -> None:
    """Set how many hops packets from now on may take.

    Args:
        transport: The connection.
        hop_limit: IP TTL or hop limit; None is the system's own.
    """
    connected = transport.get_extra_info("socket")
    ipv6 = connected.family == socket.AF_INET6
    option = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if ipv6 else (socket.IPPROTO_IP, socket.IP_TTL)
    with contextlib.suppress(OSError):  # the client may be gone already
        connected.setsockopt(*option, _SYSTEM_HOP_LIMIT if hop_limit is None else hop_limit)


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a reset, whatever was still to be sent.

    Args:
        transport: The connection.
    """
    with contextlib.suppress(OSError):  # the client may be gone already
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    transport.abort()
