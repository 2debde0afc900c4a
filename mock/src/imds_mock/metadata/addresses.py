"""Parses and formats addresses and blocks, and selects free addresses.

Newer captures write IPv6 blocks without `::` (`2600:1f16:67f:f201:0:0:0:0/64`), but addresses with it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeVar

_HOST_BITS: Final = 0xFF
# AWS reserves the first four addresses of a subnet and the last one.
_RESERVED: Final = 4
_EXPECTED: Final[dict[type[object], str]] = {
    IPv4Address: "an IPv4 address such as 10.0.1.23",
    IPv6Address: "an IPv6 address such as 2600:1f18::17",
    IPv4Network: "an IPv4 block such as 10.0.1.0/24",
    IPv6Network: "an IPv6 block such as 2600:1f18::/64",
}

Network = TypeVar("Network", IPv4Network, IPv6Network)
Value = TypeVar("Value", IPv4Address, IPv6Address, IPv4Network, IPv6Network)


def parse(kind: type[Value], text: str) -> Value:
    """An address or a block from its text.

    Raises:
        ValueError: The text is invalid; the message says what was expected.
    """
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"expected {_EXPECTED[kind]}, got {text!r}") from error


def block_text(network: IPv4Network | IPv6Network) -> str:
    """A block in the metadata's notation."""
    if isinstance(network, IPv4Network):
        return str(network)
    groups = (f"{int(group, 16):x}" for group in network.network_address.exploded.split(":"))
    return f"{':'.join(groups)}/{network.prefixlen}"


def enclosing_block(network: Network, prefix_length: int) -> Network:
    """The block with a prefix length that contains a network; the network itself if it is larger."""
    return network.supernet(new_prefix=min(prefix_length, network.prefixlen))


def next_free_address(after: IPv4Address, taken: set[str]) -> IPv4Address | None:
    """The next free address in the /24 of another one; None if all are in `taken` or reserved."""
    subnet, host = int(after) & ~_HOST_BITS, int(after) & _HOST_BITS
    for step in range(1, _HOST_BITS + 1):
        candidate = (host + step) & _HOST_BITS
        address = IPv4Address(subnet | candidate)
        if _RESERVED <= candidate < _HOST_BITS and str(address) not in taken:
            return address
    return None
