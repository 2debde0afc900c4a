"""IP addresses as text, in the one form in which the peer of a connection is written."""

from __future__ import annotations

import ipaddress
from typing import Final

_IPV6: Final = 6


def plain(address: str) -> str:
    """An IP address as the peer of a connection is written.

    Args:
        address: Such as `FD00:0::3` or `::ffff:172.18.0.3`.
    """
    read = ipaddress.ip_address(address)
    return str((read.version == _IPV6 and read.ipv4_mapped) or read)


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
