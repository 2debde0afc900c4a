"""Has the kernel find out which hardware address neighbours have, without any privilege.

A datagram to an address on the link makes the kernel ask for its owner (ARP, or neighbour discovery for IPv6). The
datagram goes to the discard port, where nothing listens, so a container that is there answers that the port is
unreachable. `SO_DONTROUTE` keeps the datagrams on the link: none of them goes through a gateway.
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
# A neighbour on a virtual link answers in about 0.1 ms; the sum is what one that does not answer costs.
_PAUSES_SECONDS: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)


class Reaching:
    """Reaches neighbours by datagrams."""

    async def answering(self, addresses: Iterable[str]) -> frozenset[str]:
        """Send each address a datagram, and wait for the answers, 0.13 s at most.

        Args:
            addresses: IP addresses on a link.

        Returns:
            Those that answered. An address that is missing may belong to a container that answers no such datagram.
        """
        with contextlib.ExitStack() as opened:
            waiting = {}
            for address in addresses:
                speaker = opened.enter_context(_socket(address))
                with contextlib.suppress(OSError):
                    speaker.connect((address, _DISCARD_PORT))
                    speaker.send(b"")
                    waiting[address] = speaker
            answered = set()
            for pause in _PAUSES_SECONDS if waiting else ():
                await asyncio.sleep(pause)
                answered |= {address for address, speaker in waiting.items() if _is_refused(speaker)}
                if len(answered) == len(waiting):
                    break
        return frozenset(answered)

    async def call(self, addresses: Iterable[str], found: Callable[[], bool]) -> None:
        """Send all addresses a datagram over one socket of their family, and wait until something is found.

        Args:
            addresses: IP addresses on a link.
            found: Whether there is nothing left to wait for; the wait ends after 0.13 s at the latest.
        """
        with _socket("127.0.0.1") as speaker, _socket("::1") as speaker6:
            for address in addresses:
                with contextlib.suppress(OSError):
                    (speaker6 if ":" in address else speaker).sendto(b"", (address, _DISCARD_PORT))
        for pause in _PAUSES_SECONDS:
            await asyncio.sleep(pause)
            if found():
                return


def _socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    speaker = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    speaker.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    return speaker


def _is_refused(speaker: socket.socket) -> bool:
    return speaker.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
