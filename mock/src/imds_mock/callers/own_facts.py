"""The instance facts of one container, for `identity: per-container`.

Facts that identify an instance (its id, its addresses, its interfaces) come from the container, unless the settings of
a matching variant give them; all other configured facts apply to every container. The result never contradicts itself:
a configured block that does not contain the container's address is replaced by one that does.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from string import digits
from typing import TYPE_CHECKING, Final
from zlib import crc32

from msgspec import UNSET
from msgspec.structs import replace

from imds_mock.callers.caller import Interface
from imds_mock.config.facts import Interface as InterfaceSettings
from imds_mock.metadata.instance import DEFAULT_REGION
from imds_mock.metadata.unique_ids import ec2_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.callers.caller import Caller
    from imds_mock.config.facts import InstanceSettings

_ZONES: Final = "abc"
"""Letters of the availability zones to which instances are distributed: almost every region has them."""


def with_own_facts(configured: InstanceSettings, caller: Caller, from_variants: frozenset[str]) -> InstanceSettings:
    """The facts of a caller's instance.

    Args:
        configured: The configured facts, with those of the matching variants.
        caller: The caller.
        from_variants: Names of the facts that a matching variant gives.
    """
    own = configured
    if "instance_id" not in from_variants:
        own = replace(own, instance_id=ec2_id("i", configured.instance_id, caller.key))
    own = replace(own, **{fact: None for fact in ("local_ipv4", "mac") if fact not in from_variants})
    if isinstance(own.public_ipv4, str) and "public_ipv4" not in from_variants:
        own = replace(own, public_ipv4=UNSET)
    if configured.availability_zone is None and configured.availability_zone_id is None:
        own = replace(own, availability_zone=f"{configured.region or DEFAULT_REGION}{_zone(caller)}")
    own = replace(own, interfaces=_interfaces(own, caller, own_addresses="interfaces" not in from_variants))
    if isinstance(own.public_ipv4, str) and not (own.local_ipv4 or own.interfaces[0].local_ipv4s):
        own = replace(own, public_ipv4=None)
    return own


def _zone(caller: Caller) -> str:
    # Replicas are distributed evenly, as by an Auto Scaling group.
    seed = caller.key if caller.number is None else caller.key.rstrip(digits)[:-1]
    return _ZONES[(crc32(seed.encode()) + (caller.number or 0)) % len(_ZONES)]


def _interfaces(own: InstanceSettings, caller: Caller, *, own_addresses: bool) -> tuple[InterfaceSettings, ...]:
    actual = caller.interfaces or (Interface(),)
    configured = own.interfaces
    if own_addresses:
        # Interfaces beyond those of the container would have addresses that it does not have.
        configured = tuple(map(_without_addresses, configured[: len(actual)]))
    configured += (InterfaceSettings(),) * (len(actual) - len(configured))
    macs = {each.mac.lower() for each in configured if each.mac is not None} | {(own.mac or "").lower()}
    completed = []
    for index, settings in enumerate(configured):
        interface = actual[index] if index < len(actual) else Interface()
        mac = None if interface.mac in macs else interface.mac
        macs.add(mac or "")
        completed.append(_complete(settings, interface, own.local_ipv4 if index == 0 else None, mac))
    return tuple(completed)


def _without_addresses(configured: InterfaceSettings) -> InterfaceSettings:
    return replace(
        configured, mac=None, interface_id=None, local_ipv4s=None, public_ipv4s=None, ipv6s=(), ipv4_prefixes=(),
        ipv6_prefixes=(),
    )  # fmt: skip


def _complete(configured: InterfaceSettings, actual: Interface, main: str | None, mac: str | None) -> InterfaceSettings:
    local = configured.local_ipv4s
    if local is None and (actual.ipv4 or actual.ipv6s):
        local = () if actual.ipv4 is None else (actual.ipv4,)
    if main is not None:
        local = (main, *(local or ())[1:])
    ipv6s = configured.ipv6s or actual.ipv6s
    subnet = _first_containing(local or (), (configured.subnet_ipv4_cidr_block, actual.ipv4_block, _block(local, 24)))
    subnets6 = _all_containing(ipv6s, (configured.subnet_ipv6_cidr_blocks, actual.ipv6_blocks or None))
    public = configured.public_ipv4s
    if public is not None or local is not None:
        # A generated public address would not reach the container.
        public = {each: private if private in (local or ()) else "" for each, private in (public or {}).items()}
    return replace(
        configured,
        mac=configured.mac or mac,
        local_ipv4s=local,
        public_ipv4s=public if local else {},
        ipv6s=ipv6s,
        subnet_ipv4_cidr_block=subnet,
        subnet_ipv6_cidr_blocks=subnets6,
        vpc_ipv4_cidr_blocks=_if_containing((subnet,) if subnet else (), configured.vpc_ipv4_cidr_blocks),
        vpc_ipv6_cidr_blocks=_if_containing(subnets6 or (_block(ipv6s, 64),), configured.vpc_ipv6_cidr_blocks),
    )


def _block(addresses: tuple[str, ...] | None, prefix_length: int) -> str | None:
    """The block of a given size that contains the first address."""
    return str(ip_network(f"{addresses[0]}/{prefix_length}", strict=False)) if addresses else None


def _first_containing(addresses: Iterable[str], blocks: Iterable[str | None]) -> str | None:
    """The first block that contains all addresses."""
    wanted = tuple(map(ip_address, addresses))
    for block in blocks:
        if block is not None and wanted and all(address in ip_network(block) for address in wanted):
            return block
    return None


def _all_containing(addresses: Iterable[str], choices: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """The first choice of blocks that together contain all addresses."""
    for blocks in choices:
        if blocks is not None and all(_first_containing((address,), blocks) for address in addresses):
            return blocks
    return None


def _if_containing(subnets: Iterable[str | None], blocks: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The configured blocks of the VPC if each subnet lies in one of them; otherwise None."""
    networks = tuple(map(ip_network, blocks or ()))
    for subnet in subnets:
        inner = None if subnet is None else ip_network(subnet)
        if inner and not any(inner.version == each.version and inner.subnet_of(each) for each in networks):  # type: ignore[arg-type]
            return None
    return blocks
