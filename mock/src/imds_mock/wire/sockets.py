"""Sockets of the data plane: opening listeners, accepting what waits, and the options of a client's connection."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from imds_mock.addresses import host_and_port
from imds_mock.errors import ListenError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

BACKLOG: Final = 4096
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
# Restores the system's own value (ip(7), ipv6(7)).
_SYSTEM_HOP_LIMIT: Final = -1


class Address(NamedTuple):
    """An IP address and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)

    @property
    def url(self) -> str:
        """The URL for a client on this machine: loopback in place of "all addresses"."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on
        return f"http://{host_and_port(loopback.get(self.host, self.host), self.port)}"


def open_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Open listening sockets.

    Args:
        hosts: IP addresses; none means all addresses of both families (only IPv4 on a system without IPv6).
        port: TCP port; 0 picks a free one, the same for all addresses.

    Raises:
        ListenError: Cannot listen on an address; the message gives the reason and what to do.
    """
    opened: list[socket.socket] = []
    try:
        for host in hosts or ("0.0.0.0", "::"):  # noqa: S104 - a container does not know its address beforehand
            try:
                opened.append(_open(host, opened[0].getsockname()[1] if opened and not port else port))
            except OSError as error:
                no_ipv6 = error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
                if not (no_ipv6 and opened and not hosts):
                    raise ListenError(host, port, error) from error
    except ListenError:
        for listening in opened:
            listening.close()
        raise
    return opened


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # As bytes, because text would load the codec of internationalized names.
        address = socket.getaddrinfo(host.encode(), port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4]
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def accept_all(listening: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that are waiting, then stop listening."""
    with contextlib.suppress(OSError):
        try:
            while True:
                client, _ = listening.accept()
                client.setblocking(False)
                yield client
        finally:
            # At once, because connections that arrive between the last accept and this are reset.
            listening.shutdown(socket.SHUT_RD)


def set_hop_limit(transport: asyncio.Transport, hop_limit: int | None) -> None:
    """Set the hop limit of the packets sent from now on.

    Args:
        transport: The connection.
        hop_limit: IP TTL or IPv6 hop limit; None restores the system's own.
    """
    connected = transport.get_extra_info("socket")
    ipv6 = connected.family == socket.AF_INET6
    option = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if ipv6 else (socket.IPPROTO_IP, socket.IP_TTL)
    with contextlib.suppress(OSError):  # the client may be gone already
        connected.setsockopt(*option, _SYSTEM_HOP_LIMIT if hop_limit is None else hop_limit)


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a reset, and drop what is not sent.

    Args:
        transport: The connection.
    """
    with contextlib.suppress(OSError):  # the client may be gone already
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    transport.abort()
