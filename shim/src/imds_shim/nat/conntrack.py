"""Ends connections that were opened through a replaced rule, because NAT decides only once per connection.

Such a connection would hang, because it continues to send to the mock's old address. Its socket is destroyed
(SOCK_DESTROY, Linux 4.5; the application reads ECONNABORTED) and its conntrack entry is deleted (ctnetlink). Without
SOCK_DESTROY in the kernel, the next packet of the connection reaches the new mock, which answers it with a reset.
Layouts from include/uapi/linux: sock_diag.h, inet_diag.h, netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from imds_shim.frozen_record import FrozenRecord
from imds_shim.nat.netlink import NLM_F_DUMP, Netlink, attribute, attributes, nested
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imds_shim.endpoints import IPAddress
    from imds_shim.nat.rule import DnatRule

NETLINK_SOCK_DIAG, NETLINK_NETFILTER = 4, 12
SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
ALL_STATES = 0xFFFFFFFF
CT_GET, CT_DELETE = 1 << 8 | 1, 1 << 8 | 2
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID, CTA_ZONE = 1, 2, 12, 18
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_SOURCE, CTA_IP_DESTINATION = {4: 1, 6: 3}, {4: 2, 6: 4}
CTA_PROTO_NUM, CTA_PROTO_DST_PORT = 1, 3

_DIAG_REQUEST = struct.Struct("=BBBxI")  # family, protocol, extensions, states; the socket's id follows
_DIAG_HEAD = struct.Struct("=BBBB")  # family, state, timer, retransmissions; the socket's id follows
_SOCKET_ID = struct.Struct("=2s2s16s16sI8s")  # ports and addresses of both ends (network order), interface, cookie
_NFGENMSG = struct.Struct("=BBH")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class OpenSocket(FrozenRecord):
    """A TCP socket of this network namespace, with its unique identity."""

    family: int
    identity: bytes


def replace_rule(old: DnatRule, replace: Callable[[], None]) -> None:
    """Call `replace`, which replaces `old` by another rule, then end the connections opened through `old`."""
    before = sockets_to(old.destination, old.destination_port)
    replace()
    destroy_sockets(before)
    delete_entries(old)


def sockets_to(address: IPAddress, port: int) -> Sequence[OpenSocket]:
    """Return the TCP sockets connected, or connecting, to an address; none if the kernel cannot list them."""
    found = []
    # A program may reach an IPv4 address through an IPv6 socket (Java and Go do).
    families = [4, 6] if isinstance(address, IPv4Address) else [6]
    wanted = {address.packed.ljust(16, b"\0"), _ipv4_mapped(address)}
    for version in families:
        request = _DIAG_REQUEST.pack(_FAMILIES[version], socket.IPPROTO_TCP, 0, ALL_STATES) + bytes(_SOCKET_ID.size)
        with contextlib.suppress(OSError), Netlink(NETLINK_SOCK_DIAG) as kernel:
            for message in kernel.request(SOCK_DIAG_BY_FAMILY, request, NLM_F_DUMP):
                identity = message.body[_DIAG_HEAD.size : _DIAG_HEAD.size + _SOCKET_ID.size]
                _, to_port, _, to_address, _, _ = _SOCKET_ID.unpack(identity)
                if to_address in wanted and int.from_bytes(to_port, "big") == port:
                    found.append(OpenSocket(_FAMILIES[version], identity))
    return found


def destroy_sockets(sockets: Sequence[OpenSocket]) -> int:
    """Close sockets of other processes with a reset to the peer; returns the number of closed ones."""
    count = 0
    for one in sockets:
        request = _DIAG_REQUEST.pack(one.family, socket.IPPROTO_TCP, 0, ALL_STATES) + one.identity
        with contextlib.suppress(OSError), Netlink(NETLINK_SOCK_DIAG) as kernel:
            kernel.request(SOCK_DESTROY, request)
            count += 1
    return count


def delete_entries(rule: DnatRule) -> int:
    """Delete the conntrack entries of connections that `rule` redirected; returns their number."""
    version = rule.destination.version
    count = 0
    with contextlib.suppress(OSError), Netlink(NETLINK_NETFILTER) as kernel:
        for entry in list(_tracked_connections(kernel, rule)):
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                kernel.request(CT_DELETE, _NFGENMSG.pack(_FAMILIES[version], 0, 0) + entry)
                count += 1
    return count


def _tracked_connections(kernel: Netlink, rule: DnatRule) -> Iterator[bytes]:
    """Yield the identifying attributes of each connection to the rule's destination that goes to its target."""
    version = rule.destination.version
    for message in kernel.request(CT_GET, _NFGENMSG.pack(_FAMILIES[version], 0, 0), NLM_F_DUMP):
        has = attributes(message.body[_NFGENMSG.size :])
        if CTA_TUPLE_ORIG not in has or CTA_TUPLE_REPLY not in has:
            continue
        original, reply = attributes(has[CTA_TUPLE_ORIG]), attributes(has[CTA_TUPLE_REPLY])
        ports = attributes(original.get(CTA_TUPLE_PROTO, b""))
        if (
            attributes(original[CTA_TUPLE_IP]).get(CTA_IP_DESTINATION[version]) == rule.destination.packed
            and attributes(reply[CTA_TUPLE_IP]).get(CTA_IP_SOURCE[version]) == rule.to_address.packed
            and ports.get(CTA_PROTO_NUM) == bytes([socket.IPPROTO_TCP])
            and ports.get(CTA_PROTO_DST_PORT) == rule.destination_port.to_bytes(2, "big")
        ):
            # The id distinguishes it from a new connection from the same port.
            more = (attribute(kind, has[kind]) for kind in (CTA_ID, CTA_ZONE) if kind in has)
            yield b"".join((nested(CTA_TUPLE_ORIG, has[CTA_TUPLE_ORIG]), *more))


def _ipv4_mapped(address: IPAddress) -> bytes:
    return IPv6Address(f"::ffff:{address}").packed if isinstance(address, IPv4Address) else address.packed
