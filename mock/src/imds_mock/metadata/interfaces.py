"""Derives all facts of the network interfaces from the configured ones."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from imds_mock.config.errors import SettingError
from imds_mock.metadata.addresses import Value, block_text, enclosing_block, next_free_address, parse
from imds_mock.metadata.unique_ids import ec2_id, mac_address
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imds_mock.config.errors import KeyPath
    from imds_mock.config.facts import InstanceSettings, Interface

_FIRST_ADDRESS: Final = IPv4Address("10.0.1.23")
_PUBLIC_ADDRESS: Final = "203.0.113.25"


class NetworkInterface(Record, frozen=True):
    """The facts of one interface. Addresses and blocks are texts, as in the metadata."""

    mac: str
    interface_id: str
    device_number: int
    network_card: int
    owner_id: str
    local_ipv4s: tuple[str, ...]
    associations: dict[str, str]
    ipv6s: tuple[str, ...]
    ipv4_prefixes: tuple[str, ...]
    ipv6_prefixes: tuple[str, ...]
    security_groups: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    subnet_id: str
    subnet_ipv4_cidr_block: str | None
    subnet_ipv6_cidr_blocks: tuple[str, ...]
    vpc_id: str
    vpc_ipv4_cidr_blocks: tuple[str, ...]
    vpc_ipv6_cidr_blocks: tuple[str, ...]

    @property
    def local_ipv4(self) -> str | None:
        """The main private IPv4 address; None if there is none."""
        return self.local_ipv4s[0] if self.local_ipv4s else None

    @property
    def public_ipv4s(self) -> tuple[str, ...]:
        """The public IPv4 addresses."""
        return tuple(self.associations)


def derive_interfaces(settings: InstanceSettings, region: str, zone: str) -> tuple[NetworkInterface, ...]:
    """The interfaces of an instance.

    Raises:
        SettingError: An address or block is invalid, or two of them contradict each other.
    """
    main = _FIRST_ADDRESS
    derived: list[NetworkInterface] = []
    for index, facts in enumerate(settings.interfaces):
        interface = _InterfaceDerivation(settings, facts, index, region, zone).derive(main, derived)
        if index == 0 and interface.local_ipv4 is not None:
            main = IPv4Address(interface.local_ipv4)
        derived.append(interface)
    _require_distinct(derived)
    return tuple(derived)


class _InterfaceDerivation:
    """The derivation of one interface."""

    def __init__(self, settings: InstanceSettings, facts: Interface, index: int, region: str, zone: str) -> None:
        self._settings, self._facts, self._index = settings, facts, index
        self._region, self._zone = region, zone
        self._path: KeyPath = ("instance", "interfaces", index)

    def derive(self, main: IPv4Address, others: Sequence[NetworkInterface]) -> NetworkInterface:
        settings, facts, account = self._settings, self._facts, self._settings.account_id
        local = self._local_ipv4s(main, others)
        ipv6s = self._parse_all(IPv6Address, facts.ipv6s, "ipv6s")
        subnet, vpcs = self._ipv4_blocks(local, others)
        subnets6, vpcs6 = self._ipv6_blocks(ipv6s)
        vpc_id = facts.vpc_id or ec2_id("vpc", account, self._region, str(next(iter([*vpcs, *vpcs6]), "")))
        subnet_id = facts.subnet_id or ec2_id("subnet", vpc_id, self._zone, str(subnet or next(iter(subnets6), "")))
        groups = settings.security_groups if facts.security_groups is None else facts.security_groups
        group_ids = facts.security_group_ids
        if group_ids is None:
            group_ids = tuple(ec2_id("sg", vpc_id, group) for group in groups)
        elif len(group_ids) != len(groups):
            names = f": {', '.join(groups)}" if groups else ", but there is none"
            raise self._error(f"expected one id for each security group{names}", "security_group_ids")
        mac = (settings.mac if self._index == 0 else None) or facts.mac
        return NetworkInterface(
            mac=(mac or mac_address(settings.instance_id, str(self._index))).lower(),
            interface_id=facts.interface_id or ec2_id("eni", settings.instance_id, str(self._index)),
            device_number=self._index if facts.device_number is None else facts.device_number,
            network_card=facts.network_card,
            owner_id=facts.owner_id or account,
            local_ipv4s=tuple(map(str, local)),
            associations=self._associations(local),
            ipv6s=tuple(map(str, ipv6s)),
            ipv4_prefixes=tuple(map(str, self._parse_all(IPv4Network, facts.ipv4_prefixes, "ipv4_prefixes"))),
            ipv6_prefixes=tuple(map(block_text, self._parse_all(IPv6Network, facts.ipv6_prefixes, "ipv6_prefixes"))),
            security_groups=groups,
            security_group_ids=group_ids,
            subnet_id=subnet_id,
            subnet_ipv4_cidr_block=str(subnet) if subnet else None,
            subnet_ipv6_cidr_blocks=tuple(map(block_text, subnets6)),
            vpc_id=vpc_id,
            vpc_ipv4_cidr_blocks=tuple(map(str, vpcs)),
            vpc_ipv6_cidr_blocks=tuple(map(block_text, vpcs6)),
        )

    def _local_ipv4s(self, main: IPv4Address, others: Sequence[NetworkInterface]) -> list[IPv4Address]:
        configured = self._facts.local_ipv4s
        if configured is None:
            taken = {address for other in others for address in other.local_ipv4s}
            free = main if self._index == 0 else next_free_address(main, taken)
            if free is None:
                raise self._error(
                    "expected addresses, because the first interface's /24 has no free one", "local_ipv4s"
                )
            local = [free]
        else:
            local = self._parse_all(IPv4Address, configured, "local_ipv4s")
        if self._index == 0 and self._settings.local_ipv4 is not None:
            try:
                local[:1] = [parse(IPv4Address, self._settings.local_ipv4)]
            except ValueError as error:
                raise SettingError(("instance", "local_ipv4"), str(error)) from error
        return local

    def _associations(self, local: list[IPv4Address]) -> dict[str, str]:
        """Public address to private address."""
        is_primary = self._index == 0
        if self._settings.public_ipv4 is None:
            return {}
        pairs = self._facts.public_ipv4s
        if is_primary and self._settings.public_ipv4 is not UNSET:
            pairs = {self._settings.public_ipv4: ""}
        elif pairs is None:
            pairs = {_PUBLIC_ADDRESS: ""} if is_primary and local else {}
        return {self._public(public, local): self._private(public, private, local) for public, private in pairs.items()}

    def _public(self, text: str, local: list[IPv4Address]) -> str:
        path = self._path if self._settings.public_ipv4 is UNSET else ("instance",)
        path = (*path, "public_ipv4s" if len(path) > 1 else "public_ipv4")
        try:
            address = str(parse(IPv4Address, text))
        except ValueError as error:
            raise SettingError(path, str(error)) from error
        if not local:
            raise SettingError(path, "a public address requires a private IPv4 address on the interface")
        return address

    def _private(self, public: str, private: str, local: list[IPv4Address]) -> str:
        if not private:
            return str(local[0])
        address = self._parse(IPv4Address, private, "public_ipv4s", public)
        configured = self._facts.local_ipv4s
        if address not in local and configured and private == configured[0]:
            # `local_ipv4` replaces the main address; the public address stays with it.
            return str(local[0])
        if address not in local:
            expected = f"expected one of the interface's private addresses ({', '.join(map(str, local))})"
            raise self._error(f"{expected}, got {private}", "public_ipv4s", public)
        return str(address)

    def _ipv4_blocks(
        self, local: list[IPv4Address], others: Sequence[NetworkInterface]
    ) -> tuple[IPv4Network | None, list[IPv4Network]]:
        facts = self._facts
        subnet = None
        if facts.subnet_ipv4_cidr_block is not None:
            subnet = self._parse(IPv4Network, facts.subnet_ipv4_cidr_block, "subnet_ipv4_cidr_block")
        elif local:
            subnet = IPv4Network((local[0], 24), strict=False)
        if facts.vpc_ipv4_cidr_blocks is not None:
            vpcs = self._parse_all(IPv4Network, facts.vpc_ipv4_cidr_blocks, "vpc_ipv4_cidr_blocks")
        elif subnet is None and others:
            vpcs = [IPv4Network(block) for block in others[0].vpc_ipv4_cidr_blocks]
        else:
            # A VPC has an IPv4 block even if the interface has no IPv4 address (VPC User Guide; captured).
            vpcs = [enclosing_block(subnet or IPv4Network(_FIRST_ADDRESS), 16)]
        for address in local:
            if subnet is None or address not in subnet:
                raise self._error(f"{subnet} does not contain the address {address}", "subnet_ipv4_cidr_block")
        if subnet and not any(subnet.subnet_of(vpc) for vpc in vpcs):
            raise self._error(f"no block contains the subnet {subnet}", "vpc_ipv4_cidr_blocks")
        return subnet, vpcs

    def _ipv6_blocks(self, ipv6s: list[IPv6Address]) -> tuple[list[IPv6Network], list[IPv6Network]]:
        facts = self._facts
        if facts.subnet_ipv6_cidr_blocks is not None:
            subnets = self._parse_all(IPv6Network, facts.subnet_ipv6_cidr_blocks, "subnet_ipv6_cidr_blocks")
        else:
            subnets = [IPv6Network((ipv6s[0], 64), strict=False)] if ipv6s else []
        if facts.vpc_ipv6_cidr_blocks is not None:
            vpcs = self._parse_all(IPv6Network, facts.vpc_ipv6_cidr_blocks, "vpc_ipv6_cidr_blocks")
        else:
            vpcs = list(dict.fromkeys(enclosing_block(subnet, 56) for subnet in subnets))
        for address in ipv6s:
            if not any(address in subnet for subnet in subnets):
                raise self._error(f"no block contains the address {address}", "subnet_ipv6_cidr_blocks")
        for subnet in subnets:
            if not any(subnet.subnet_of(vpc) for vpc in vpcs):
                raise self._error(f"no block contains the subnet {subnet}", "vpc_ipv6_cidr_blocks")
        return subnets, vpcs

    def _parse_all(self, kind: type[Value], texts: Iterable[str], key: str) -> list[Value]:
        return [self._parse(kind, text, key, index) for index, text in enumerate(texts)]

    def _parse(self, kind: type[Value], text: str, *key: str | int) -> Value:
        try:
            return parse(kind, text)
        except ValueError as error:
            raise self._error(str(error), *key) from error

    def _error(self, message: str, *key: str | int) -> SettingError:
        return SettingError((*self._path, *key), message)


def _require_distinct(interfaces: Sequence[NetworkInterface]) -> None:
    owners: dict[str, int] = {}
    for index, interface in enumerate(interfaces):
        claims = {
            "mac": [interface.mac],
            "interface_id": [interface.interface_id],
            "device_number": [f"device number {interface.device_number} of network card {interface.network_card}"],
            "local_ipv4s": interface.local_ipv4s,
            "public_ipv4s": interface.public_ipv4s,
            "ipv6s": interface.ipv6s,
        }
        for key, values in claims.items():
            for value in values:
                other = owners.setdefault(value, index)
                if other != index:
                    raise SettingError(("instance", "interfaces", index, key), f"interface {other} already has {value}")
