"""Encodes and decodes a rule of a legacy table as the kernel's bytes.

python-iptables would build them through libxtables, whose extensions serve only one IP version per process (the other
one fails with "can't find target DNAT"), and silently drops values that it does not understand, such as integer ports.

Layouts from include/uapi/linux: netfilter_ipv4/ip_tables.h (`ipt_entry`), netfilter_ipv6/ip6_tables.h (`ip6t_entry`),
netfilter/x_tables.h (`xt_entry_match`, `xt_entry_target`), netfilter/xt_tcpudp.h (`xt_tcp`), netfilter/nf_nat.h
(`nf_nat_ipv4_multi_range_compat`, `nf_nat_range`, `nf_nat_range2`), on 64-bit machines. Numbers are in the machine's
byte order, addresses and NAT ports in network order.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from imds_shim.frozen_record import FrozenRecord
from imds_shim.nat.rule import DnatRule
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERFACES_SIZE = 64  # two names and two masks, 16 bytes each
EXTENSION_HEAD = struct.Struct("=H29sB")  # size including this head, name, revision
TCP_MATCH = struct.Struct("=HHHHBBBB")  # source ports, destination ports, option, flag mask, flag value, inversions
COMMENT_SIZE = 256
ANY_PORT = (0, 65535)
MAP_ADDRESS_AND_PORT = 1 | 2  # NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED
NAT_RANGE = struct.Struct("=I16s16s2s2s")  # flags, lowest and highest address, lowest and highest port
NAT_RANGE_V4 = struct.Struct("=II4s4s2s2s")  # number of ranges, then as above
DNAT_REVISIONS = (2, 1)
"""The revisions that `build` can write: 2 as the iptables program does, 1 for kernels before 4.18."""


class EntryLayout(FrozenRecord):
    """The layout of an entry of one IP version; offsets in bytes."""

    address_size: int
    protocol_at: int
    flags_at: int  # offset of the flags and the inversions
    flags_with_protocol: int  # the flags if only a protocol is matched
    offsets_at: int  # offset of the offsets of the target and of the next entry
    size: int  # size of the entry without matches and target


LAYOUTS = {
    4: EntryLayout(4, 80, 82, 0, 88, 112),
    6: EntryLayout(16, 128, 131, 1, 140, 168),
}


def build(rule: DnatRule, tag: bytes, revision: int) -> bytes:
    """Return the entry for `rule`, with `tag` as its comment and a DNAT target of this revision."""
    layout = LAYOUTS[rule.destination.version]
    port = rule.destination_port
    matches = _extension(b"tcp", 0, TCP_MATCH.pack(*ANY_PORT, port, port, 0, 0, 0, 0))
    matches += _extension(b"comment", 0, tag.ljust(COMMENT_SIZE, b"\0"))
    address, to_port = rule.to_address.packed.ljust(16, b"\0"), rule.to_port.to_bytes(2, "big")
    nat_range = NAT_RANGE.pack(MAP_ADDRESS_AND_PORT, address, address, to_port, to_port)
    target = _extension(b"DNAT", revision, nat_range + bytes(4) * (revision == DNAT_REVISIONS[0]))
    entry = bytearray(layout.size)
    size = layout.address_size
    entry[size : 2 * size] = rule.destination.packed
    entry[3 * size : 4 * size] = b"\xff" * size
    struct.pack_into("=H", entry, layout.protocol_at, socket.IPPROTO_TCP)
    entry[layout.flags_at] = layout.flags_with_protocol
    target_at = layout.size + len(matches)
    struct.pack_into("=HH", entry, layout.offsets_at, target_at, target_at + len(target))
    return bytes(entry) + matches + target


def parse(entry: bytes, version: int, tag: bytes) -> DnatRule | None:
    """Return the rule in an entry of the OUTPUT chain, or None if `build` does not write entries of this form.

    Args:
        entry: the entry with its matches and its target.
        version: the table's IP version, 4 or 6.
        tag: the required comment.
    """
    layout = LAYOUTS[version]
    size = layout.address_size
    source, destination, source_mask, destination_mask = (entry[at * size : (at + 1) * size] for at in range(4))
    interfaces = entry[4 * size : 4 * size + INTERFACES_SIZE]
    (protocol,) = struct.unpack_from("=H", entry, layout.protocol_at)
    flags, inversions = entry[layout.flags_at : layout.flags_at + 2]
    (target_at,) = struct.unpack_from("=H", entry, layout.offsets_at)
    if (
        any(source + source_mask + interfaces)
        or destination_mask != b"\xff" * size
        or (protocol, flags, inversions) != (socket.IPPROTO_TCP, layout.flags_with_protocol, 0)
    ):
        return None
    matches = sorted(_extensions(entry[layout.size : target_at]))
    if [match[:2] for match in matches] != [(b"comment", 0), (b"tcp", 0)] or matches[0][2].split(b"\0", 1)[0] != tag:
        return None
    port = _one_destination_port(matches[1][2])
    targets = [
        _parse_target(revision, data, size)
        for name, revision, data in _extensions(entry[target_at:])
        if name == b"DNAT"
    ]
    if port is None or len(targets) != 1 or targets[0] is None:
        return None
    return DnatRule(_address(destination), port, *targets[0])


def _extension(name: bytes, revision: int, data: bytes) -> bytes:
    """Return a match or target, padded to a multiple of eight bytes."""
    data += bytes(-len(data) % 8)
    return EXTENSION_HEAD.pack(EXTENSION_HEAD.size + len(data), name, revision) + data


def _extensions(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield name, revision and payload of each match or target in `data`."""
    while len(data) >= EXTENSION_HEAD.size:
        size, name, revision = EXTENSION_HEAD.unpack_from(data)
        if not EXTENSION_HEAD.size <= size <= len(data):
            return
        yield name.split(b"\0", 1)[0], revision, data[EXTENSION_HEAD.size : size]
        data = data[size:]


def _one_destination_port(match: bytes) -> int | None:
    first_source, last_source, first, last, *others = TCP_MATCH.unpack_from(match)
    plain = (first_source, last_source) == ANY_PORT and not any(others)
    return first if plain and first == last and first else None


def _parse_target(revision: int, target: bytes, address_size: int) -> tuple[IPv4Address | IPv6Address, int] | None:
    """Return the address and port of a DNAT target, or None if it has ranges."""
    if revision == 0:  # written by old iptables programs for IPv4
        count, flags, lowest, highest, port, last_port = NAT_RANGE_V4.unpack_from(target)
        if count != 1:
            return None
    else:
        flags, lowest, highest, port, last_port = NAT_RANGE.unpack_from(target)
    if flags != MAP_ADDRESS_AND_PORT or lowest != highest or port != last_port or port == b"\0\0":
        return None
    return _address(lowest[:address_size]), int.from_bytes(port, "big")


def _address(packed: bytes) -> IPv4Address | IPv6Address:
    return IPv4Address(packed) if len(packed) == LAYOUTS[4].address_size else IPv6Address(packed)
