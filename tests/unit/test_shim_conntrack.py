"""The conntrack entries that the follower deletes; tests/netns deletes them on the real kernel."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, cast

import pytest

from imds_shim.nat import conntrack
from imds_shim.nat.netlink import Message, Netlink, attribute, attributes
from imds_shim.nat.rule import DnatRule

if TYPE_CHECKING:
    from collections.abc import Mapping

IMDS, MOCK, OTHER = IPv4Address("169.254.169.254"), IPv4Address("172.18.0.2"), IPv4Address("172.18.0.9")
RULE = DnatRule(IMDS, 80, MOCK, 80)
TCP, UDP = b"\x06", b"\x11"
ID, ZONE = b"\0\0\0\x07", b"\0\x03"


def connection(
    destination: IPv4Address = IMDS, target: IPv4Address = MOCK, protocol: bytes = TCP, port: int = 80
) -> bytes:
    """Return the kernel's message for one connection: family, version and resource id, then attributes."""
    ports = attribute(1, protocol) + attribute(2, b"\xc0\0") + attribute(3, port.to_bytes(2, "big"))
    original = attribute(1, attribute(1, b"\x0a\0\0\x01") + attribute(2, destination.packed)) + attribute(2, ports)
    reply = attribute(1, attribute(1, target.packed) + attribute(2, b"\x0a\0\0\x01"))
    return bytes(4) + attribute(1, original) + attribute(2, reply) + attribute(12, ID) + attribute(18, ZONE)


class FakeNetlink:
    def __init__(self, *messages: bytes) -> None:
        self.messages = messages

    def request(self, kind: int, _body: bytes, _flags: int = 0) -> list[Message]:
        return [Message(kind, body) for body in self.messages]


def tracked(*messages: bytes) -> list[Mapping[int, bytes]]:
    kernel = cast("Netlink", FakeNetlink(*messages))
    return [attributes(entry) for entry in conntrack._tracked_connections(kernel, RULE)]


def test_a_connection_is_identified_by_its_tuple_its_id_and_its_zone() -> None:
    """Without the id, a new connection from the same port could be deleted instead."""
    (found,) = tracked(connection())
    assert (set(found), found[12], found[18]) == ({1, 12, 18}, ID, ZONE)


@pytest.mark.parametrize(
    "other",
    [
        connection(destination=IPv4Address("169.254.170.2")),
        connection(target=OTHER),
        connection(protocol=UDP),
        connection(port=8080),
        bytes(4),
    ],
)
def test_other_connections_are_not_touched(other: bytes) -> None:
    assert tracked(other) == []
