"""A container as an instance of its own: the facts that only it can have, in place of the configured ones.

What one instance alone can have (its id, its addresses, what belongs to its interfaces) is the container's own, unless
a variant says otherwise; what the configuration says of everything else holds for every container. Nothing here can
contradict anything: a block that does not contain the container's address gives way to one that does.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final
from zlib import crc32

from msgspec import UNSET
from msgspec.structs import replace

from imds_mock.callers.caller import Interface
from imds_mock.config.facts import Interface as SaidInterface
from imds_mock.metadata.instance import DEFAULT_REGION
from imds_mock.metadata.unique_ids import ec2_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.callers.caller import Caller
    from imds_mock.config.facts import InstanceSettings

_ZONES: Final = "abc"
"""Letters of the zones that instances are spread over: almost every region has them."""


def with_own_facts(said: InstanceSettings, caller: Caller, by_variant: frozenset[str]) -> InstanceSettings:
    """The facts of a caller's instance.

    Args:
        said: The configured facts, the matching variants' among them.
        caller: Who asks.
        by_variant: The facts that a variant says.
    """
    own = said
    if "instance_id" not in by_variant:
        own = replace(own, instance_id=ec2_id("i", said.instance_id, caller.key))
    own = replace(own, **{fact: None for fact in ("local_ipv4", "mac") if fact not in by_variant})
    if isinstance(own.public_ipv4, str) and "public_ipv4" not in by_variant:
        own = replace(own, public_ipv4=UNSET)
    if said.availability_zone is None and said.availability_zone_id is None:
        own = replace(own, availability_zone=f"{said.region or DEFAULT_REGION}{_zone(caller)}")
    own = replace(own, interfaces=_interfaces(own, caller, own_addresses="interfaces" not in by_variant))
    if isinstance(own.public_ipv4, str) and not (own.local_ipv4 or own.interfaces[0].local_ipv4s):
        own = replace(own, public_ipv4=None)
    return own


def _zone(caller: Caller) -> str:
    # Replicas are spread evenly, as an Auto Scaling group does.
    spread = caller.key if caller.number is None else caller.key.rpartition("-")[0]
    return _ZONES[(crc32(spread.encode()) + (caller.number or 0)) % len(_ZONES)]


def _interfaces(own: InstanceSettings, caller: Caller, *, own_addresses: bool) -> tuple[SaidInterface, ...]:
    seen = caller.interfaces or (Interface(),)
    said = own.interfaces
    if own_addresses:
        # More interfaces than the container has would have addresses that are nobody's, or somebody else's.
        said = tuple(map(_without_addresses, said[: len(seen)]))
    said += (SaidInterface(),) * (len(seen) - len(said))
    main = own.local_ipv4
    macs = {each.mac.lower() for each in said if each.mac is not None} | {(own.mac or "").lower()}
    completed = []
    for place, facts in enumerate(said):
        there = seen[place] if place < len(seen) else Interface()
        mac = None if there.mac in macs else there.mac
        macs.add(mac or "")
        completed.append(_complete(facts, there, main if place == 0 else None, mac))
    return tuple(completed)


def _without_addresses(said: SaidInterface) -> SaidInterface:
    return replace(
        said, mac=None, interface_id=None, local_ipv4s=None, public_ipv4s=None, ipv6s=(), ipv4_prefixes=(),
        ipv6_prefixes=(),
    )  # fmt: skip


def _complete(said: SaidInterface, seen: Interface, main: str | None, mac: str | None) -> SaidInterface:
    local = said.local_ipv4s
    if local is None and (seen.ipv4 or seen.ipv6s):
        local = () if seen.ipv4 is None else (seen.ipv4,)
    if main is not None:
        local = (main, *(local or ())[1:])
    ipv6s = said.ipv6s or seen.ipv6s
    subnet = _first_around(local or (), (said.subnet_ipv4_cidr_block, seen.ipv4_block, _near(local, 24)))
    subnets6 = _all_around(ipv6s, (said.subnet_ipv6_cidr_blocks, seen.ipv6_blocks or None))
    public = said.public_ipv4s
    if public is not None or local is not None:
        # A made-up public address would lead nobody to the container.
        public = {each: private if private in (local or ()) else "" for each, private in (public or {}).items()}
    return replace(
        said,
        mac=said.mac or mac,
        local_ipv4s=local,
        public_ipv4s=public if local else {},
        ipv6s=ipv6s,
        subnet_ipv4_cidr_block=subnet,
        subnet_ipv6_cidr_blocks=subnets6,
        vpc_ipv4_cidr_blocks=_holding((subnet,) if subnet else (), said.vpc_ipv4_cidr_blocks),
        vpc_ipv6_cidr_blocks=_holding(subnets6 or (_near(ipv6s, 64),), said.vpc_ipv6_cidr_blocks),
    )


def _near(addresses: tuple[str, ...] | None, prefix_length: int) -> str | None:
    return str(ip_network(f"{addresses[0]}/{prefix_length}", strict=False)) if addresses else None


def _first_around(addresses: Iterable[str], blocks: Iterable[str | None]) -> str | None:
    """The first block that contains all addresses."""
    wanted = tuple(map(ip_address, addresses))
    for block in blocks:
        if block is not None and wanted and all(address in ip_network(block) for address in wanted):
            return block
    return None


def _all_around(addresses: Iterable[str], choices: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """The first choice of blocks that each address is in one of."""
    for blocks in choices:
        if blocks is not None and all(_first_around((address,), blocks) for address in addresses):
            return blocks
    return None


def _holding(subnets: Iterable[str | None], blocks: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The said blocks of the VPC, if each subnet is in one of them."""
    networks = tuple(map(ip_network, blocks or ()))
    for subnet in subnets:
        inner = None if subnet is None else ip_network(subnet)
        if inner and not any(inner.version == each.version and inner.subnet_of(each) for each in networks):  # type: ignore[arg-type]
            return None
    return blocks
