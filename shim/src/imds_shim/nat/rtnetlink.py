"""The kernel's routes, asked over rtnetlink: the way to one address, and the tables; changes nothing.

Layouts from include/uapi/linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from imds_shim.endpoints import PORT
from imds_shim.errors import KernelRefusedError
from imds_shim.nat.netlink import NLM_F_DUMP, Netlink, attribute, attributes
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_shim.endpoints import IPAddress

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 7, 15, 18
RTN_UNICAST, RTN_LOCAL = 1, 2
RT_TABLE_MAIN = 254
RTA_IP_PROTO, RTA_DPORT = 27, 29
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}

ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst and src length, tos, table, protocol, scope, type, flags
NUMBER = struct.Struct("=I")
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Way:
    """How the first packet to an address would leave, in words; making an `enum.Enum` costs every start 0.1 ms."""

    LOCAL = "local"
    ON_LINK = "on-link"
    VIA = "via a gateway"
    NONE = "no route"


class Routed(Record):
    """The kernel's answer for one address: the interface's number (0 without a route), and the source it chooses."""

    way: str  # of Way
    link: int = 0
    source: bytes = b""

    @property
    def interface(self) -> str:
        """The interface's name."""
        return link_name(self.link)


class Entry(Record):
    """One route of one table; `link` is the interface's number (0 for none), `gateway` and `source` are packed."""

    destination: IPAddress
    length: int
    table: int
    protocol: int
    kind: int
    link: int
    metric: int
    gateway: bytes
    source: bytes


def how_routed(address: IPAddress) -> Routed:
    """Ask the kernel, by its whole policy, how a TCP packet to `address` would leave; no packet is sent."""
    question = ROUTE.pack(FAMILIES[address.version], address.max_prefixlen, *bytes(6), 0)
    question += attribute(RTA_DST, address.packed)
    # Policy rules may ask for them; kernels before 4.19 do not know these two and ignore them.
    question += attribute(RTA_IP_PROTO, bytes([socket.IPPROTO_TCP])) + attribute(RTA_DPORT, PORT.to_bytes(2, "big"))
    try:
        with Netlink(socket.NETLINK_ROUTE) as kernel:
            messages = kernel.ask(RTM_GETROUTE, question)
    except OSError as error:
        if error.errno in NO_ROUTE:
            return Routed(Way.NONE)
        raise KernelRefusedError(f"the route to {address} cannot be asked for: {error.strerror}.") from error
    body = next(message.body for message in messages if message.kind == RTM_NEWROUTE)
    kind = ROUTE.unpack_from(body)[7]
    found = attributes(body[ROUTE.size :])
    if kind not in (RTN_UNICAST, RTN_LOCAL) or RTA_OIF not in found:
        return Routed(Way.NONE)
    (index,) = NUMBER.unpack(found[RTA_OIF])
    source = found.get(RTA_PREFSRC, b"")
    if kind == RTN_LOCAL:
        return Routed(Way.LOCAL, index, source)
    return Routed(Way.VIA if RTA_GATEWAY in found or RTA_VIA in found else Way.ON_LINK, index, source)


def entries(version: int) -> Sequence[Entry]:
    """Return every route of one IP version, of all tables, in the order in which the kernel tries equal ones."""
    found = []
    address = IPv4Address if version == 4 else IPv6Address  # noqa: PLR2004 - IP version
    with Netlink(socket.NETLINK_ROUTE) as kernel:
        for message in kernel.ask(RTM_GETROUTE, ROUTE.pack(FAMILIES[version], *bytes(7), 0), NLM_F_DUMP):
            family, length, _, _, table, protocol, _, kind, _ = ROUTE.unpack_from(message.body)
            if message.kind != RTM_NEWROUTE or family != FAMILIES[version]:
                continue
            has = attributes(message.body[ROUTE.size :])
            found.append(
                Entry(
                    destination=address(has.get(RTA_DST, bytes(4 if version == 4 else 16))),  # noqa: PLR2004 - IP version
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
