"""Makes the kernel resolve the hardware addresses of neighbours, without any privilege.

A datagram to an address on the link makes the kernel ask for the address's owner (ARP, or neighbour discovery for
IPv6). The datagram goes to the discard port, where nothing listens, so a container that exists answers that the port is
unreachable. `SO_DONTROUTE` keeps datagrams on the link: none passes a gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DISCARD_PORT: Final = 9
# A neighbour on a virtual link answers within about 0.1 ms. The sum of the pauses, 0.13 s, is the time-out.
_PAUSES_SECONDS: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)


class ReachabilityProbe:
    """Sends datagrams to neighbours."""

    async def responding(self, addresses: Iterable[str]) -> frozenset[str]:
        """The addresses that respond to a datagram within 0.13 s.

        A container that answers no such datagram, because of a packet filter for example, does not respond either.

        Args:
            addresses: IP addresses on a link.
        """
        with contextlib.ExitStack() as stack:
            sockets = {}
            for address in addresses:
                connected = stack.enter_context(_socket(address))
                with contextlib.suppress(OSError):
                    connected.connect((address, _DISCARD_PORT))
                    connected.send(b"")
                    sockets[address] = connected
            responding = set()
            for pause in _PAUSES_SECONDS if sockets else ():
                await asyncio.sleep(pause)
                responding |= {address for address, each in sockets.items() if _is_refused(each)}
                if len(responding) == len(sockets):
                    break
        return frozenset(responding)

    async def solicit(self, addresses: Iterable[str], is_found: Callable[[], bool]) -> None:
        """Make the kernel ask for the owners of addresses; wait until `is_found`, or for 0.13 s.

        Args:
            addresses: IP addresses on a link.
            is_found: Whether the wait is over.
        """
        with _socket("127.0.0.1") as ipv4, _socket("::1") as ipv6:
            for address in addresses:
                with contextlib.suppress(OSError):
                    (ipv6 if ":" in address else ipv4).sendto(b"", (address, _DISCARD_PORT))
        for pause in _PAUSES_SECONDS:
            await asyncio.sleep(pause)
            if is_found():
                return


def _socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    return datagrams


def _is_refused(connected: socket.socket) -> bool:
    return connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
