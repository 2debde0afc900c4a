"""Tells the neighbours on its link that an address of the metadata service has come to another machine: this one.

A container that takes the place of another at 169.254.169.254 has another hardware address, and who talked to the old
one goes on sending there: half a minute and more of silence, until its kernel gives up. What usually cures that, a
gratuitous ARP packet, needs a raw socket (NET_RAW). This needs nothing: a datagram to an address on the link makes the
kernel ask who has that one, by an ARP request to everybody, which carries our address and our hardware address;
whoever knew the old one takes the new one over (arp_process in the kernel's net/ipv4/arp.c). Nobody has the addresses
that are asked for, so the datagrams are delivered to nobody.

IPv6 has no such request to everybody: a neighbour solicitation goes to those alone whose address ends alike, and they
heed it only if it is theirs.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ADDRESSES: Final = ("169.254.169.254", "169.254.170.2", "169.254.170.23")
"""Where EC2's, ECS's and EKS's endpoints are; no other address is ever announced."""
_ALL: Final = "0.0.0.0"  # noqa: S104 - compared, not listened on
_NOBODY: Final = 240
"""Last byte of the first address that is asked for; AWS has nothing there (its licence and name servers are above)."""
_DISCARD_PORT: Final = 9
_PAUSES_SECONDS: Final = (0.0, 0.5, 1.0)
"""Before each round. A neighbour that changed its entry less than a second ago does not take over another one."""


async def announce(hosts: Sequence[str], log: Callable[[str], None]) -> None:
    """Announce those of the service's addresses that are held on a link and served here; say so if there are any.

    Args:
        hosts: The addresses that are listened on; none means all.
        log: Receives a sentence about what was announced.
    """
    served = [address for address in ADDRESSES if not hosts or address in hosts or _ALL in hosts]
    for number, pause in enumerate(_PAUSES_SECONDS):
        await asyncio.sleep(pause)
        served = [address for address in served if announce_once(address, number)]
        if served and number == 0:
            log(f"announced to the neighbours: {', '.join(served)}")


def announce_once(address: str, number: int) -> bool:
    """Let the kernel send one ARP request from an address, which it repeats twice, a second apart.

    Args:
        address: An IPv4 address in a /24 network that no one else uses at 240 and above.
        number: Which of the addresses there is asked for, from 0 on: one that was asked for already is not asked again.

    Returns:
        False where the address is not held by an interface, or has no link.
    """
    nobody = f"{address.rpartition('.')[0]}.{_NOBODY + number}"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
            speaker.setblocking(False)
            # Never through a gateway: on a cloud host the real service's network would be behind it.
            speaker.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
            speaker.bind((address, 0))
            speaker.sendto(b"", (nobody, _DISCARD_PORT))
    except OSError:
        return False
    return True
