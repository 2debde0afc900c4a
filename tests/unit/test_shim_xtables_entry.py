from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.nat.rule import DnatRule
from imds_shim.nat.xtables_entry import DNAT_REVISIONS, LAYOUTS, NAT_RANGE_V4, _extension, build, parse

TAG = b"imds-shim"
RULE = DnatRule(IPv4Address("169.254.169.254"), 80, IPv4Address("172.18.0.2"), 1338)
RULE_V6 = DnatRule(IPv6Address("fd00:ec2::254"), 80, IPv6Address("fd12::2"), 1338)
ports = st.integers(1, 65535)
rules = st.one_of(
    st.builds(DnatRule, st.ip_addresses(v=4), ports, st.ip_addresses(v=4), ports),
    st.builds(DnatRule, st.ip_addresses(v=6), ports, st.ip_addresses(v=6), ports),
)


@given(rules, st.sampled_from(DNAT_REVISIONS))
def test_build_and_parse_round_trip(rule: DnatRule, revision: int) -> None:
    assert parse(build(rule, TAG, revision), rule.destination.version, TAG) == rule


@pytest.mark.parametrize(("rule", "size"), [(RULE, 112 + 48 + 288 + 80), (RULE_V6, 168 + 48 + 288 + 80)])
def test_sizes_match_the_kernels_structures(rule: DnatRule, size: int) -> None:
    entry = build(rule, TAG, 2)
    assert len(entry) == size
    target_at, next_at = struct.unpack_from("=HH", entry, LAYOUTS[rule.destination.version].offsets_at)
    assert (target_at, next_at) == (size - 80, size)
    assert len(build(rule, TAG, 1)) == size - 8


TCP, COMMENT, DNAT = 112 + 32, 112 + 48 + 32, 112 + 48 + 288 + 32  # where their data begins
FIELDS = {
    "source address": 3,
    "source mask": 8,
    "destination mask": 15,
    "inbound interface": 16,
    "outbound interface": 32,
    "inbound interface mask": 48,
    "outbound interface mask": 64,
    "protocol": 80,
    "flags": 82,
    "inversions": 83,
    "name of the first match": 112 + 2,
    "revision of the first match": 112 + 31,
    "first source port": TCP,
    "last source port": TCP + 2,
    "last destination port": TCP + 6,
    "tcp option": TCP + 8,
    "tcp flag mask": TCP + 9,
    "tcp flags": TCP + 10,
    "tcp inversions": TCP + 11,
    "comment": COMMENT,
    "end of the comment": COMMENT + len(TAG),
    "name of the target": DNAT - 30,
    "nat flags": DNAT,
    "highest address": DNAT + 4 + 16,
    "highest port": DNAT + 4 + 32 + 2,
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_rule_of_another_form_is_another_programs(field: str) -> None:
    entry = bytearray(build(RULE, TAG, 2))
    entry[FIELDS[field]] ^= 0x41
    assert parse(bytes(entry), 4, TAG) is None


def test_the_form_of_old_iptables_programs_is_parsed() -> None:
    address = RULE.to_address.packed
    port = struct.pack(">H", RULE.to_port)
    old = _extension(b"DNAT", 0, NAT_RANGE_V4.pack(1, 3, address, address, port, port))
    entry = build(RULE, TAG, 2)
    assert parse(entry[:-80] + old, 4, TAG) == RULE
    two_ranges = _extension(b"DNAT", 0, NAT_RANGE_V4.pack(2, 3, address, address, port, port))
    assert parse(entry[:-80] + two_ranges, 4, TAG) is None


@pytest.mark.parametrize("tag", [b"imds", b"imds-shim-2", b""])
def test_a_rule_with_another_comment_is_another_programs(tag: bytes) -> None:
    assert parse(build(RULE, tag, 2), 4, TAG) is None


@given(st.binary(min_size=112, max_size=600), st.sampled_from([4, 6]))
def test_arbitrary_bytes_raise_no_error(noise: bytes, version: int) -> None:
    entry = noise.ljust(LAYOUTS[version].size, b"\0")
    assert parse(entry, version, TAG) is None
