"""Reads the kernel's routes over rtnetlink; layouts from include/uapi/linux/rtnetlink.h."""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from imds_shim.endpoints import IPV4, PORT
from imds_shim.errors import KernelRefusedError
from imds_shim.frozen_record import FrozenRecord
from imds_shim.nat.netlink import NLM_F_DUMP, Netlink, attribute, attributes
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_shim.endpoints import IPAddress

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 7, 15, 18
RTN_UNICAST, RTN_LOCAL = 1, 2
RT_TABLE_MAIN = 254
RTA_UID, RTA_IP_PROTO, RTA_DPORT = 25, 27, 29
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}

ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst and src length, tos, table, protocol, scope, type, flags
NUMBER = struct.Struct("=I")
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class NextHop:
    """The kinds of next hop; an `enum.Enum` takes 0.1 ms of every start."""

    LOCAL = "local"
    ON_LINK = "on-link"
    GATEWAY = "via a gateway"
    NONE = "no route"


class RouteLookup(FrozenRecord):
    """The route to one address: the interface's index (0 without a route) and the packed source address."""

    next_hop: str  # in NextHop
    link: int = 0
    source: bytes = b""


class RouteEntry(FrozenRecord):
    """A route in a table; `link` is the interface's index (0 for none), `gateway` and `source` are packed."""

    destination: IPAddress
    length: int
    table: int
    protocol: int
    kind: int
    link: int
    metric: int
    gateway: bytes
    source: bytes


def look_up_route(address: IPAddress, uid: int | None = None) -> RouteLookup:
    """Return the route of this process's, or user `uid`'s, TCP packets to `address`; sends no packet."""
    body = ROUTE.pack(FAMILIES[address.version], address.max_prefixlen, *bytes(6), 0)
    body += attribute(RTA_DST, address.packed)
    # Policy rules may match protocol and port; kernels before 4.19 ignore these attributes.
    body += attribute(RTA_IP_PROTO, bytes([socket.IPPROTO_TCP])) + attribute(RTA_DPORT, PORT.to_bytes(2, "big"))
    if uid is not None:
        body += attribute(RTA_UID, NUMBER.pack(uid))
    try:
        with Netlink(socket.NETLINK_ROUTE) as kernel:
            messages = kernel.request(RTM_GETROUTE, body)
    except OSError as error:
        if error.errno in NO_ROUTE:
            return RouteLookup(NextHop.NONE)
        raise KernelRefusedError(f"the kernel refused to look up the route to {address}: {error.strerror}.") from error
    body = next(message.body for message in messages if message.kind == RTM_NEWROUTE)
    kind = ROUTE.unpack_from(body)[7]
    found = attributes(body[ROUTE.size :])
    if kind not in (RTN_UNICAST, RTN_LOCAL) or RTA_OIF not in found:
        return RouteLookup(NextHop.NONE)
    (index,) = NUMBER.unpack(found[RTA_OIF])
    source = found.get(RTA_PREFSRC, b"")
    if kind == RTN_LOCAL:
        return RouteLookup(NextHop.LOCAL, index, source)
    return RouteLookup(NextHop.GATEWAY if RTA_GATEWAY in found or RTA_VIA in found else NextHop.ON_LINK, index, source)


def list_routes(version: int) -> Sequence[RouteEntry]:
    """Return the routes of one IP version in all tables; the kernel prefers earlier ones of equal metric."""
    found = []
    address, size = (IPv4Address, 4) if version == IPV4 else (IPv6Address, 16)
    with Netlink(socket.NETLINK_ROUTE) as kernel:
        for message in kernel.request(RTM_GETROUTE, ROUTE.pack(FAMILIES[version], *bytes(7), 0), NLM_F_DUMP):
            family, length, _, _, table, protocol, _, kind, _ = ROUTE.unpack_from(message.body)
            if message.kind != RTM_NEWROUTE or family != FAMILIES[version]:
                continue
            has = attributes(message.body[ROUTE.size :])
            found.append(
                RouteEntry(
                    destination=address(has.get(RTA_DST, bytes(size))),
                    length=length,
                    table=_number(has, RTA_TABLE) or table,
                    protocol=protocol,
                    kind=kind,
                    link=_number(has, RTA_OIF),
                    metric=_number(has, RTA_PRIORITY),
                    gateway=has.get(RTA_GATEWAY, b""),
                    source=has.get(RTA_PREFSRC, b""),
                )
            )
    return found


def link_name(index: int) -> str:
    """Return an interface's name."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"#{index}"


def _number(has: dict[int, bytes], kind: int) -> int:
    return int(NUMBER.unpack(has[kind])[0]) if kind in has else 0
