"""The addresses at which a workload expects the instance metadata service.

Source: EC2 User Guide, "Access instance metadata": 169.254.169.254 and, on IPv6 subnets of Nitro instances,
[fd00:ec2::254], both on TCP port 80.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imds_shim.rule import IPAddress

IMDS_PORT = 80
IPV4, IPV6 = 4, 6
IMDS_ADDRESSES: dict[int, IPAddress] = {IPV4: IPv4Address("169.254.169.254"), IPV6: IPv6Address("fd00:ec2::254")}


def shown(address: IPAddress, port: int = IMDS_PORT) -> str:
    """Return `address:port` as it is written in a URL."""
    return f"[{address}]:{port}" if address.version == IPV6 else f"{address}:{port}"
