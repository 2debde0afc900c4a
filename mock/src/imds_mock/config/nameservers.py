"""The setting `callers.name_server` taken apart."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

_DNS_PORT: Final = 53
_LARGEST_PORT: Final = 65535


def split_name_server(text: str) -> tuple[str, int]:
    """Address and port of a name server.

    Args:
        text: `ADDRESS` or `ADDRESS:PORT`, with an IPv6 address in brackets where a port follows.

    Raises:
        ValueError: The address is not an IP address, or the port is not from 1 to 65535.
    """
    host, separator, port = text.rpartition(":")
    has_port = separator and host and (":" not in host or host.endswith("]"))
    address, number = (host.strip("[]"), int(port)) if has_port else (text.strip("[]"), _DNS_PORT)
    ip_address(address)
    if not 1 <= number <= _LARGEST_PORT:
        raise ValueError(text)
    return address, number
