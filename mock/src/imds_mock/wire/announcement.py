"""Announces to the neighbours on the link that an address of the metadata service has moved to this machine.

A container that takes over 169.254.169.254 from another one has another hardware address. Neighbours keep sending to
the old one for half a minute or more, until their kernels give up. The usual remedy, a gratuitous ARP, needs a raw
socket (NET_RAW). This needs no capability: a datagram to an unknown address on the link makes the kernel broadcast an
ARP request, which carries this machine's address and hardware address. Every neighbour that knew the old hardware
address updates its entry (arp_process in the kernel's net/ipv4/arp.c). No machine has the requested addresses, so the
datagrams are never delivered.

IPv6 has no such broadcast: a neighbour solicitation reaches only machines whose address has the same ending.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ADDRESSES: Final = ("169.254.169.254", "169.254.170.2", "169.254.170.23")
"""The addresses of EC2, ECS and EKS; no other address is announced."""
_ALL: Final = "0.0.0.0"  # noqa: S104 - compared, not listened on
_UNUSED_HOST: Final = 240
"""Last byte of the first requested address; AWS uses none from here on up to its licence and name servers."""
_DISCARD_PORT: Final = 9
_PAUSES_SECONDS: Final = (0.0, 0.5, 1.0)
"""Pause before each round, because a neighbour ignores a change within a second of the previous one."""


async def announce(hosts: Sequence[str], log: Callable[[str], None]) -> None:
    """Announce the service's addresses that this machine has on a link and listens on.

    Args:
        hosts: The addresses that the mock listens on; none means all.
        log: Receives a sentence about the announced addresses, if there are any.
    """
    served = [address for address in ADDRESSES if not hosts or address in hosts or _ALL in hosts]
    for number, pause in enumerate(_PAUSES_SECONDS):
        await asyncio.sleep(pause)
        served = [address for address in served if announce_once(address, number)]
        if served and number == 0:
            log(f"announced to the neighbours: {', '.join(served)}")


def announce_once(address: str, number: int) -> bool:
    """Make the kernel send an ARP request from an address, three times in two seconds.

    Args:
        address: An IPv4 address in a /24 network where no machine uses an address from 240 on.
        number: Selects the requested address, from 0 on; the kernel does not repeat a request for the same one.

    Returns:
        False if no interface has the address, or it has no link.
    """
    unused = f"{address.rpartition('.')[0]}.{_UNUSED_HOST + number}"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            # Never through a gateway: on a cloud host, the real service's network is behind it.
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
            sender.bind((address, 0))
            sender.sendto(b"", (unused, _DISCARD_PORT))
    except OSError:
        return False
    return True
