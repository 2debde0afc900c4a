"""The value that describes a caller: its addresses, container, service and network interfaces."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

_IPV6: Final = 6
_REPLICA: Final = re.compile(r"(?P<service>.+?)-(?:(?P<number>[0-9]+)|run-[0-9a-f]{12})")


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


class Caller(NamedTuple):
    """A client of the mock. All addresses of one container give the same value.

    Attributes:
        key: Seed of the caller's identity: the container's name, or an address if it has no name.
        addresses: All known addresses.
        container: Name of the container; None if unknown.
        service: Compose service; None if unknown.
        number: Number of the service's replica, from 1; None if unknown.
        networks: Names of the networks on which the container is known.
        interfaces: Network interfaces, from the kernel's tables.
    """

    key: str
    addresses: tuple[str, ...]
    container: str | None = None
    service: str | None = None
    number: int | None = None
    networks: tuple[str, ...] = ()
    interfaces: tuple[Interface, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the container and, if different, of the service; empty if unknown."""
        return tuple(dict.fromkeys(name for name in (self.container, self.service) if name is not None))


class ContainerName(NamedTuple):
    """The parts of a reverse name of Docker's embedded DNS server.

    Attributes:
        container: Name of the container, unique on one engine.
        network: Name of the network.
        project: Compose project; None if unknown.
        service: Compose service; None if unknown.
        number: Number of the service's replica, from 1; None if unknown.
    """

    container: str
    network: str = ""
    project: str | None = None
    service: str | None = None
    number: int | None = None


def parse_reverse_name(name: str) -> ContainerName:
    """Parse `<container name>.<network>`, the reverse name that Docker's embedded DNS server gives an address.

    Measured for replicas (`proj-app-2.proj_default`), `docker compose run` (`proj-app-run-d59c2409f8fa.proj_default`),
    a `container_name` (`custom.proj_default`) and plain containers (`plain.proj_default`). Host names and aliases never
    appear. The service is known only if the names of container and network begin with the same project.

    Args:
        name: Such as `proj-app-2.proj_default`.
    """
    name = name.rstrip(".")
    # A container's name may contain dots; the name of a Compose network does not.
    container, _, network = name.rpartition(".") if "." in name else (name, "", "")
    words = network.split("_")
    for length in range(len(words) - 1, 0, -1):
        project = "_".join(words[:length])
        prefix = f"{project}-"
        replica = _REPLICA.fullmatch(container[len(prefix) :]) if container.startswith(prefix) else None
        if replica is not None:
            number = replica["number"]
            return ContainerName(container, network, project, replica["service"], int(number) if number else None)
    return ContainerName(container, network)


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
