"""The value that describes a caller: its addresses, container, service and network interfaces."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Final, NamedTuple

_IPV6: Final = 6


class Interface(NamedTuple):
    """A caller's interface on one network, as seen by the mock.

    Attributes:
        ipv4: IPv4 address.
        ipv6s: IPv6 addresses.
        ipv4_block: IPv4 block of the network; None if the mock is not on it.
        ipv6_blocks: IPv6 blocks of the network.
        mac: Hardware address in the kernel's neighbour table; None if there is none.
    """

    ipv4: str | None = None
    ipv6s: tuple[str, ...] = ()
    ipv4_block: str | None = None
    ipv6_blocks: tuple[str, ...] = ()
    mac: str | None = None


class Announced(NamedTuple):
    """What a container has announced about itself.

    Attributes:
        name: Its name; None if it has announced none.
        facts: Facts of its instance, as a JSON object.
    """

    name: str | None
    facts: str = "{}"

    @property
    def instance(self) -> dict[str, Any]:
        """The facts, as a part of the section `instance`."""
        decoded: dict[str, Any] = json.loads(self.facts)
        return decoded


class Caller(NamedTuple):
    """A client of the mock. All addresses of one container give the same value.

    Attributes:
        key: Seed of the caller's identity: the announced name, else the container's name, else an address.
        addresses: All known addresses.
        container: Name of the container; None if unknown.
        service: Compose service, or service of a Swarm stack; None if unknown.
        number: Number of the service's replica, from 1; None if unknown.
        networks: Names of the networks on which the container is known.
        interfaces: Network interfaces, from the kernel's tables.
        aliases: Further names: aliases of Podman, or the full name of a Swarm stack's service.
        announced: What it has announced about itself; None if nothing.
    """

    key: str
    addresses: tuple[str, ...]
    container: str | None = None
    service: str | None = None
    number: int | None = None
    networks: tuple[str, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    aliases: tuple[str, ...] = ()
    announced: Announced | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The different names of the container, of the service, aliases and the announced one; empty if unknown."""
        own = None if self.announced is None else self.announced.name
        names = (self.container, self.service, *self.aliases, own)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    @property
    def is_identified(self) -> bool:
        """Whether its container is known by name or has announced itself."""
        return self.container is not None or self.announced is not None

    @property
    def macs(self) -> frozenset[str]:
        """The known hardware addresses."""
        return frozenset(interface.mac for interface in self.interfaces if interface.mac is not None)


def normalize_address(address: str) -> str:
    """The canonical text of an IP address, as used for the peer of a connection.

    Args:
        address: Such as `FD00:0::3` or `::ffff:172.18.0.3`.
    """
    parsed = ipaddress.ip_address(address)
    return str((parsed.version == _IPV6 and parsed.ipv4_mapped) or parsed)


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
