"""The addresses that the mock stands in for, all on TCP port 80.

Sources: EC2 User Guide, "Access instance metadata": 169.254.169.254 and, on IPv6 subnets of Nitro instances,
[fd00:ec2::254]. AWS SDKs and Tools Reference Guide, "Container credential provider": 169.254.170.2 on Amazon ECS,
169.254.170.23 and [fd00:ec2::23] with EKS Pod Identity.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

IPAddress = IPv4Address | IPv6Address

PORT = 80
CONTROL_PORT = 1339
"""The default port of imds-mock's control plane."""
IPV4, IPV6 = 4, 6
SERVICES: dict[str, tuple[IPAddress, ...]] = {
    "ec2": (IPv4Address("169.254.169.254"), IPv6Address("fd00:ec2::254")),
    "ecs": (IPv4Address("169.254.170.2"),),
    "eks": (IPv4Address("169.254.170.23"), IPv6Address("fd00:ec2::23")),
}
IMDS = SERVICES["ec2"]


def addresses_of(services: Collection[str], *, ipv6: bool) -> list[IPAddress]:
    """Return the addresses of these services, IPv4 first; IPv6 only if `ipv6` is set."""
    found = [address for name, addresses in SERVICES.items() if name in services for address in addresses]
    return [one for one in found if one.version == IPV4] + [one for one in found if ipv6 and one.version == IPV6]


def format_address(address: IPAddress, port: int = PORT) -> str:
    """Return `address:port` as in a URL."""
    return f"[{address}]:{port}" if address.version == IPV6 else f"{address}:{port}"
