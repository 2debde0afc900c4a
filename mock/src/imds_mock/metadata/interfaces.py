"""Network interfaces: from what was said about them to everything that their subtrees of the metadata say."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from imds_mock.config.errors import SettingError
from imds_mock.metadata import addresses
from imds_mock.metadata.addresses import Network, Value, around, block_text
from imds_mock.metadata.unique_ids import ec2_id, mac_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imds_mock.config.errors import KeyPath
    from imds_mock.config.facts import InstanceSettings, Interface

_FIRST_ADDRESS: Final = IPv4Address("10.0.1.23")
_PUBLIC_ADDRESS: Final = "203.0.113.25"


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """One interface, nothing left open. Addresses and blocks are text, as they are served."""

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
        """The main private address."""
        return self.local_ipv4s[0] if self.local_ipv4s else None

    @property
    def public_ipv4s(self) -> tuple[str, ...]:
        """The public addresses."""
        return tuple(self.associations)


def derive_interfaces(settings: InstanceSettings, region: str, zone: str) -> tuple[NetworkInterface, ...]:
    """Complete the interfaces of an instance.

    Args:
        settings: The instance's facts.
        region: Its region.
        zone: Its zone.

    Raises:
        SettingError: An address or block cannot be read, or two of them contradict each other.
    """
    if not settings.interfaces:
        raise SettingError(("instance", "interfaces"), "expected at least one interface")
    main = _FIRST_ADDRESS
    derived: list[NetworkInterface] = []
    for index, facts in enumerate(settings.interfaces):
        interface = _Completion(settings, facts, index, region, zone).complete(main, derived)
        if index == 0 and interface.local_ipv4 is not None:
            main = IPv4Address(interface.local_ipv4)
        derived.append(interface)
    _require_distinct(derived)
    return tuple(derived)


class _Completion:
    """One interface on its way from what was said to everything."""

    def __init__(self, settings: InstanceSettings, facts: Interface, index: int, region: str, zone: str) -> None:
        self._settings, self._facts, self._index = settings, facts, index
        self._region, self._zone = region, zone
        self._path: KeyPath = ("instance", "interfaces", index)

    def complete(self, main: IPv4Address, others: Sequence[NetworkInterface]) -> NetworkInterface:
        settings, facts, account = self._settings, self._facts, self._settings.account_id
        local = self._local_ipv4s(main, others)
        ipv6s = [self._read(IPv6Address, text, "ipv6s", place) for place, text in enumerate(facts.ipv6s)]
        subnet, vpcs = self._ipv4_blocks(local, others)
        subnets6, vpcs6 = self._ipv6_blocks(ipv6s)
        vpc_id = facts.vpc_id or ec2_id("vpc", account, self._region, str(next(iter([*vpcs, *vpcs6]), "")))
        subnet_id = facts.subnet_id or ec2_id("subnet", vpc_id, self._zone, str(subnet or next(iter(subnets6), "")))
        groups = settings.security_groups if facts.security_groups is None else facts.security_groups
        group_ids = facts.security_group_ids
        if group_ids is None:
            group_ids = tuple(ec2_id("sg", vpc_id, group) for group in groups)
        elif len(group_ids) != len(groups):
            raise self._error(f"expected {len(groups)} ids, one for each of {', '.join(groups)}", "security_group_ids")
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
            ipv4_prefixes=tuple(map(str, self._networks(IPv4Network, facts.ipv4_prefixes, "ipv4_prefixes"))),
            ipv6_prefixes=tuple(map(block_text, self._networks(IPv6Network, facts.ipv6_prefixes, "ipv6_prefixes"))),
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
        said = self._facts.local_ipv4s
        if said is None:
            taken = {address for other in others for address in other.local_ipv4s}
            local = [main if self._index == 0 else self._free(main, taken)]
        else:
            local = [self._read(IPv4Address, text, "local_ipv4s", place) for place, text in enumerate(said)]
        if self._index == 0 and self._settings.local_ipv4 is not None:
            try:
                local[:1] = [addresses.read(IPv4Address, self._settings.local_ipv4)]
            except ValueError as error:
                raise SettingError(("instance", "local_ipv4"), str(error)) from error
        return local

    def _free(self, main: IPv4Address, taken: set[str]) -> IPv4Address:
        free = addresses.free_beside(main, taken)
        if free is None:
            raise self._error("expected addresses: the /24 of the first interface has no free one", "local_ipv4s")
        return free

    def _associations(self, local: list[IPv4Address]) -> dict[str, str]:
        first = self._index == 0
        only = self._settings.public_ipv4
        if only is None:
            return {}
        said = self._facts.public_ipv4s
        if first and only is not UNSET:
            said = {only: ""}
        elif said is None:
            said = {_PUBLIC_ADDRESS: ""} if first and local else {}
        return {self._public(public, local): self._private(public, private, local) for public, private in said.items()}

    def _public(self, text: str, local: list[IPv4Address]) -> str:
        path = self._path if self._settings.public_ipv4 is UNSET else ("instance",)
        path = (*path, "public_ipv4s" if len(path) > 1 else "public_ipv4")
        try:
            address = str(addresses.read(IPv4Address, text))
        except ValueError as error:
            raise SettingError(path, str(error)) from error
        if not local:
            raise SettingError(path, "a public address needs a private IPv4 address, and the interface has none")
        return address

    def _private(self, public: str, private: str, local: list[IPv4Address]) -> str:
        if not private:
            return str(local[0])
        address = self._read(IPv4Address, private, "public_ipv4s", public)
        said = self._facts.local_ipv4s
        if address not in local and said and private == said[0]:
            # `local_ipv4` took the place of the main address; its public address stays with it.
            return str(local[0])
        if address not in local:
            known = ", ".join(map(str, local))
            raise self._error(
                f"{private} is none of the interface's private addresses ({known})", "public_ipv4s", public
            )
        return str(address)

    def _ipv4_blocks(
        self, local: list[IPv4Address], others: Sequence[NetworkInterface]
    ) -> tuple[IPv4Network | None, list[IPv4Network]]:
        facts = self._facts
        subnet = None
        if facts.subnet_ipv4_cidr_block is not None:
            subnet = self._read(IPv4Network, facts.subnet_ipv4_cidr_block, "subnet_ipv4_cidr_block")
        elif local:
            subnet = IPv4Network((local[0], 24), strict=False)
        if facts.vpc_ipv4_cidr_blocks is not None:
            vpcs = self._networks(IPv4Network, facts.vpc_ipv4_cidr_blocks, "vpc_ipv4_cidr_blocks")
        elif subnet is None and others:
            vpcs = [IPv4Network(block) for block in others[0].vpc_ipv4_cidr_blocks]
        else:
            # A VPC has an IPv4 block even where the interface has no IPv4 address (VPC User Guide; captured).
            vpcs = [around(subnet or IPv4Network(_FIRST_ADDRESS), 16)]
        for address in local:
            if subnet is None or address not in subnet:
                raise self._error(f"{subnet} does not contain the address {address}", "subnet_ipv4_cidr_block")
        if subnet and not any(subnet.subnet_of(vpc) for vpc in vpcs):
            raise self._error(f"no block contains the subnet {subnet}", "vpc_ipv4_cidr_blocks")
        return subnet, vpcs

    def _ipv6_blocks(self, ipv6s: list[IPv6Address]) -> tuple[list[IPv6Network], list[IPv6Network]]:
        facts = self._facts
        if facts.subnet_ipv6_cidr_blocks is not None:
            subnets = self._networks(IPv6Network, facts.subnet_ipv6_cidr_blocks, "subnet_ipv6_cidr_blocks")
        else:
            subnets = [IPv6Network((ipv6s[0], 64), strict=False)] if ipv6s else []
        if facts.vpc_ipv6_cidr_blocks is not None:
            vpcs = self._networks(IPv6Network, facts.vpc_ipv6_cidr_blocks, "vpc_ipv6_cidr_blocks")
        else:
            vpcs = list(dict.fromkeys(around(subnet, 56) for subnet in subnets))
        for address in ipv6s:
            if not any(address in subnet for subnet in subnets):
                raise self._error(f"no block contains the address {address}", "subnet_ipv6_cidr_blocks")
        for subnet in subnets:
            if not any(subnet.subnet_of(vpc) for vpc in vpcs):
                raise self._error(f"no block contains the subnet {subnet}", "vpc_ipv6_cidr_blocks")
        return subnets, vpcs

    def _networks(self, kind: type[Network], texts: Iterable[str], key: str) -> list[Network]:
        return [self._read(kind, text, key, place) for place, text in enumerate(texts)]

    def _read(self, kind: type[Value], text: str, *key: str | int) -> Value:
        try:
            return addresses.read(kind, text)
        except ValueError as error:
            raise self._error(str(error), *key) from error

    def _error(self, sentence: str, *key: str | int) -> SettingError:
        return SettingError((*self._path, *key), sentence)


def _require_distinct(interfaces: Sequence[NetworkInterface]) -> None:
    seen: dict[str, int] = {}
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
                other = seen.setdefault(value, index)
                if other != index:
                    raise SettingError(("instance", "interfaces", index, key), f"interface {other} has {value} already")
