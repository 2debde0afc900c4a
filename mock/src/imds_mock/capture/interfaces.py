"""The settings of network interfaces from their leaves, and the leaves that the mock serves with these settings."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from imds_mock.capture.paths import INTERFACE_PATHS, MAC, interface_path, setting_of
from imds_mock.capture.reproduction import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MACS = "meta-data/network/interfaces/macs"
# Rows that settings with nothing but a MAC address have too.
_DERIVED = ("device-number", "interface-id", "local-hostname", "local-ipv4s", "mac", "owner-id")
_DERIVED_NETWORK = ("security-group-ids", "security-groups", "subnet-id", "subnet-ipv4-cidr-block")
_DERIVED_VPC = ("vpc-id", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks")


def read_interfaces(texts: Mapping[str, str], macs: Sequence[str], primary: str) -> list[dict[str, Any]]:
    """The settings of all interfaces, the primary one first; empty if the mock would reject them.

    Args:
        texts: Path to text of the captured leaves.
        macs: The MAC addresses that the service lists.
        primary: The MAC address of the primary interface.
    """
    interfaces = [_read(texts, mac) for mac in macs]
    interfaces.sort(
        key=lambda each: (each["mac"] != primary, each.get("network_card", 0), each.get("device_number", 0))
    )
    if not all(map(_is_consistent, interfaces)) or not _are_distinct(interfaces):
        return []
    return interfaces


def _read(texts: Mapping[str, str], mac: str) -> dict[str, Any]:
    interface: dict[str, Any] = {"mac": mac}
    for row in INTERFACE_PATHS:
        text = texts.get(interface_path(mac, row.path))
        value = None if text is None else setting_of(row, text)
        if value is not None:
            interface[row.setting] = value
    interface.setdefault("local_ipv4s", [])
    below = interface_path(mac, "ipv4-associations/")
    public = {path[len(below) :]: text for path, text in texts.items() if path.startswith(below)}
    interface["public_ipv4s"] = {
        address: private
        for address, private in public.items()
        if private in interface["local_ipv4s"] and _is_text_of(ipaddress.IPv4Address, address)
    }
    return interface


def _is_text_of(kind: Any, text: str) -> bool:
    try:
        return str(kind(text)) == text
    except ValueError:
        return False


def _is_consistent(interface: dict[str, Any]) -> bool:
    """Whether the mock accepts an interface: valid addresses inside their subnets, and one id for each group."""
    groups, ids = interface.get("security_groups"), interface.get("security_group_ids")
    if not _matches(MAC, interface["mac"]) or groups is None or (ids is not None and len(ids) != len(groups)):
        return False
    try:
        v4 = [ipaddress.IPv4Address(text) for text in interface["local_ipv4s"]]
        v6 = [ipaddress.IPv6Address(text) for text in interface.get("ipv6s", [])]
        subnets4 = [ipaddress.IPv4Network(text) for text in [interface.get("subnet_ipv4_cidr_block")] if text]
        subnets6 = [ipaddress.IPv6Network(text) for text in interface.get("subnet_ipv6_cidr_blocks", [])]
        vpcs4 = [ipaddress.IPv4Network(text) for text in interface.get("vpc_ipv4_cidr_blocks", [])]
        vpcs6 = [ipaddress.IPv6Network(text) for text in interface.get("vpc_ipv6_cidr_blocks", [])]
        for prefix in interface.get("ipv4_prefixes", []):
            ipaddress.IPv4Network(prefix)
        for prefix in interface.get("ipv6_prefixes", []):
            ipaddress.IPv6Network(prefix)
    except ValueError:
        return False
    return (
        all(any(address in subnet for subnet in subnets4) for address in v4)
        and all(any(address in subnet for subnet in subnets6) for address in v6)
        and all(any(subnet.subnet_of(vpc) for vpc in vpcs4) for subnet in subnets4)
        and all(any(subnet.subnet_of(vpc) for vpc in vpcs6) for subnet in subnets6)
    )


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def _are_distinct(interfaces: list[dict[str, Any]]) -> bool:
    seen: list[Any] = []
    for index, each in enumerate(interfaces):
        seen += [each["mac"], each.get("interface_id", index)]
        seen.append((each.get("network_card", 0), each.get("device_number", index)))
        seen += each["local_ipv4s"] + each.get("ipv6s", []) + list(each["public_ipv4s"])
    return len(seen) == len(set(map(str, seen)))


def served_leaves(interface: dict[str, Any], hostname: str, public_hostname: str, account: str) -> dict[str, Any]:
    """The leaves that the mock serves for an interface.

    Args:
        interface: Its settings.
        hostname: Its private host name.
        public_hostname: The format of its public host name, with `{}` for the address; empty if unknown.
        account: The account of the instance.
    """
    mac = interface["mac"]
    leaves: dict[str, Any] = dict.fromkeys((*_DERIVED, *_DERIVED_NETWORK, *_DERIVED_VPC), UNKNOWN)
    if not interface.get("local_ipv4s", [""]):
        del leaves["local-ipv4s"]
        if "subnet_ipv4_cidr_block" not in interface:
            del leaves["subnet-ipv4-cidr-block"]
    if "device_number" not in interface:
        leaves["device-number"] = UNKNOWN
    for row in INTERFACE_PATHS:
        value = interface.get(row.setting)
        if value or (value == 0 and row.setting == "device_number"):
            lines = value if isinstance(value, list) else [str(value)]
            leaves[row.path] = "\n".join(_block_text(row.path, line) for line in lines).encode()
    leaves["local-hostname"] = hostname.encode()
    leaves.setdefault("owner-id", account.encode())
    if interface.get("network_card"):
        leaves["network-card-index"] = leaves["network-card"]
    if interface.get("vpc_ipv4_cidr_blocks"):
        leaves["vpc-ipv4-cidr-block"] = interface["vpc_ipv4_cidr_blocks"][0].encode()
    public = interface.get("public_ipv4s") or {}
    for address, private in public.items():
        leaves[f"ipv4-associations/{address}"] = private.encode()
    if public:
        leaves["public-ipv4s"] = "\n".join(public).encode()
        leaves["public-hostname"] = public_hostname.format(next(iter(public)).replace(".", "-")).encode() or UNKNOWN
    return {interface_path(mac, name): body for name, body in leaves.items()}


def _block_text(path: str, text: str) -> str:
    """A line as the mock writes it: IPv6 blocks without `::`."""
    if path in {"ipv6s", "local-ipv4s"}:
        return str(ipaddress.ip_address(text))
    if "/" not in text or ":" not in text or not path.startswith(("subnet-ipv6", "vpc-ipv6", "ipv6-prefix")):
        return text
    network = ipaddress.IPv6Network(text)
    groups = (format(int(group, 16), "x") for group in network.network_address.exploded.split(":"))
    return f"{':'.join(groups)}/{network.prefixlen}"
