"""Every container its own instance: distinct ids, real addresses, blocks that contain them, and no contradiction."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.callers.caller import Caller, Interface
from imds_mock.callers.own_facts import with_own_facts
from imds_mock.config.facts import InstanceSettings
from imds_mock.config.facts import Interface as Said
from imds_mock.metadata.instance import Instance, derive

ADDRESS = "172.18.0.3"
SEEN = Interface(ADDRESS, (), "172.18.0.0/16", (), "02:42:ac:12:00:03")


def container(name: str = "proj-app-1", *interfaces: Interface, number: int | None = 1) -> Caller:
    interfaces = interfaces or (SEEN,)
    return Caller(name, (ADDRESS,), name, "app", number, ("proj_default",), interfaces)


def instance(configured: InstanceSettings, caller: Caller, *from_variants: str) -> Instance:
    return derive(with_own_facts(configured, caller, frozenset(from_variants)), 0.0)


def test_facts_that_identify_an_instance_come_from_the_container() -> None:
    found = instance(InstanceSettings(), container())
    assert found.instance_id != InstanceSettings().instance_id
    assert found.primary.local_ipv4 == ADDRESS
    assert found.primary.mac == "02:42:ac:12:00:03"
    assert found.hostname == "ip-172-18-0-3.ec2.internal"
    assert (found.primary.subnet_ipv4_cidr_block, found.primary.vpc_ipv4_cidr_blocks) == (
        "172.18.0.0/16",
        ("172.18.0.0/16",),
    )
    assert found.primary.public_ipv4s == ()


def test_the_instance_id_is_derived_from_the_name() -> None:
    moved = container("proj-app-1", SEEN._replace(ipv4="172.18.0.9", mac=None))
    assert instance(InstanceSettings(), moved).instance_id == instance(InstanceSettings(), container()).instance_id
    assert instance(InstanceSettings(), moved).primary.mac.startswith("0a:")


@given(st.lists(st.text("abc-_.0123", min_size=1, max_size=12), unique=True, min_size=2, max_size=20))
def test_distinct_names_have_distinct_ids(names: list[str]) -> None:
    ids = {with_own_facts(InstanceSettings(), container(name), frozenset()).instance_id for name in names}
    assert len(ids) == len(names)


@pytest.mark.parametrize("stem", ["proj-app-", "proj_app_", "proj_app.", "172.18.0."])
def test_replicas_are_distributed_over_the_zones(stem: str) -> None:
    configured = InstanceSettings(region="eu-west-1")
    zones = {
        instance(configured, container(f"{stem}{number}", number=number)).availability_zone for number in (1, 2, 3)
    }
    assert zones == {"eu-west-1a", "eu-west-1b", "eu-west-1c"}


def test_a_configured_zone_applies_to_all() -> None:
    configured = InstanceSettings(availability_zone="eu-west-1b")
    assert {instance(configured, container(f"x-{n}", number=n)).availability_zone for n in (1, 2, 3)} == {"eu-west-1b"}


def test_a_variant_overrides_the_containers_facts() -> None:
    configured = InstanceSettings(
        instance_id="i-00000000", local_ipv4="10.0.0.9", public_ipv4="198.51.100.7", mac="0a:00:00:00:00:01"
    )
    found = instance(configured, container(), "instance_id", "local_ipv4", "public_ipv4", "mac")
    assert (found.instance_id, found.primary.local_ipv4, found.primary.public_ipv4s, found.primary.mac) == (
        "i-00000000",
        "10.0.0.9",
        ("198.51.100.7",),
        "0a:00:00:00:00:01",
    )


def test_other_configured_facts_apply_to_every_container() -> None:
    configured = InstanceSettings(
        hostname="web.example.com",
        interfaces=(Said(security_groups=("web",), subnet_id="subnet-00000000", mac="0a:00:00:00:00:01"), Said()),
    )
    found = instance(configured, container())
    assert (found.hostname, found.primary.security_groups, found.primary.subnet_id) == (
        "web.example.com",
        ("web",),
        "subnet-00000000",
    )
    assert found.primary.mac == SEEN.mac
    assert len(found.interfaces) == 1, "the container has one, and a second would have an address that is nobody's"


def test_a_block_that_does_not_contain_the_address_is_replaced() -> None:
    configured = InstanceSettings(
        interfaces=(Said(subnet_ipv4_cidr_block="10.0.0.0/20", vpc_ipv4_cidr_blocks=("10.0.0.0/8",)),)
    )
    assert instance(configured, container()).primary.subnet_ipv4_cidr_block == "172.18.0.0/16"
    fitting = InstanceSettings(
        interfaces=(Said(subnet_ipv4_cidr_block="172.18.0.0/20", vpc_ipv4_cidr_blocks=("172.16.0.0/12",)),)
    )
    found = instance(fitting, container()).primary
    assert (found.subnet_ipv4_cidr_block, found.vpc_ipv4_cidr_blocks) == ("172.18.0.0/20", ("172.16.0.0/12",))


def test_an_ipv6_only_caller_has_no_ipv4_address() -> None:
    found = instance(
        InstanceSettings(), container("a", Interface(None, ("fd00::3",), None, ("fd00:0:0:0:0:0:0:0/64",)))
    )
    assert (found.primary.local_ipv4s, found.primary.ipv6s) == ((), ("fd00::3",))
    assert found.primary.subnet_ipv6_cidr_blocks == ("fd00:0:0:0:0:0:0:0/64",)


addresses = st.integers(1, 2**32 - 2).map(lambda number: str(ip_address(number)))
macs = st.none() | st.integers(0, 2**40 - 1).map(lambda number: f"02{number:010x}").map(
    lambda text: bytes.fromhex(text).hex(":")
)


@st.composite
def seen_interfaces(draw: st.DrawFn) -> tuple[Interface, ...]:
    found: list[Interface] = []
    for ipv4 in draw(st.lists(st.none() | addresses, min_size=1, max_size=3, unique=True)):
        length = draw(st.none() | st.integers(8, 30))
        block = None if length is None or ipv4 is None else str(ip_network(f"{ipv4}/{length}", strict=False))
        ipv6s = () if ipv4 is not None and draw(st.booleans()) else (f"fd00::{len(found) + 1:x}",)
        found.append(Interface(ipv4, ipv6s, block, ("fd00:0:0:0:0:0:0:0/64",) if ipv6s else (), draw(macs)))
    return tuple(found)


said_interfaces = st.lists(
    st.builds(
        Said,
        mac=macs,
        local_ipv4s=st.none() | st.just(("10.0.1.5",)),
        public_ipv4s=st.none() | st.just({"198.51.100.7": ""}),
        subnet_ipv4_cidr_block=st.none() | st.just("10.0.0.0/20"),
        vpc_ipv4_cidr_blocks=st.none() | st.just(("10.0.0.0/8",)),
        ipv6s=st.just(()) | st.just(("2001:db8::1",)),
        vpc_ipv6_cidr_blocks=st.none() | st.just(("2001:db8:0:0:0:0:0:0/56",)),
    ),
    min_size=1,
    max_size=1,
)


@given(seen_interfaces(), said_interfaces, st.sampled_from(((), ("interfaces",))), st.none() | st.just("198.51.100.9"))
def test_own_facts_never_contradict_the_configured_ones(
    seen: tuple[Interface, ...], configured: list[Any], from_variants: tuple[str, ...], public: str | None
) -> None:
    settings = InstanceSettings(interfaces=tuple(configured), public_ipv4=public)
    found = instance(settings, container("proj-app-1", *seen), *from_variants)
    for interface in found.interfaces:
        for address in interface.local_ipv4s:
            assert interface.subnet_ipv4_cidr_block is not None
            assert ip_address(address) in ip_network(interface.subnet_ipv4_cidr_block)
        for address in interface.ipv6s:
            assert any(ip_address(address) in ip_network(block) for block in interface.subnet_ipv6_cidr_blocks)
    if not from_variants:
        assert [each.local_ipv4 for each in found.interfaces] == [each.ipv4 for each in seen]
