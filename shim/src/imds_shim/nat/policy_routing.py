"""Finds the route or policy rule that decides about an address, for messages.

The kernel does not report which blackhole it found, so this module repeats its decision: policy rules in their order;
in the table of each, the longest prefix, then the lowest metric (ip-rule(8), ip-route(8)). Layouts from
include/uapi/linux: fib_rules.h, rtnetlink.h.
"""

from __future__ import annotations

import os
import struct
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from imds_shim.endpoints import PORT
from imds_shim.nat.netlink import NLM_F_DUMP, Netlink, attributes
from imds_shim.nat.rtnetlink import (
    FAMILIES,
    RT_TABLE_MAIN,
    RTN_UNICAST,
    RouteEntry,
    link_name,
    list_routes,
    look_up_route,
)
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imds_shim.endpoints import IPAddress

RTM_GETRULE = 34
FRA_DST, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK, FRA_SUPPRESS_PREFIXLEN = 1, 3, 6, 10, 14
FRA_TABLE, FRA_OIFNAME, FRA_L3MDEV, FRA_UID_RANGE = 15, 17, 19, 20
FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE = 22, 23, 24
TO_TABLE = 1
REFUSALS = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
"""The numbers and names are the same for routes (RTN_) and rules (FR_ACT_)."""
THROW = 9
INVERTED = 0x2
TABLES = {253: "default", 254: "main", 255: "local"}

_RULE = struct.Struct("=8BI")  # family, dst and src length, tos, table, 2 reserved, action, flags
_PORTS = struct.Struct("=HH")
_UIDS = struct.Struct("=II")


def describe_route(address: IPAddress, uid: int | None = None) -> str:
    """Return the next hop of this process's, or user `uid`'s, packets to `address`, and what decides about it."""
    rule = deciding_rule(address, uid)
    return look_up_route(address, uid).next_hop + (f" ({rule})" if rule else "")


def deciding_rule(address: IPAddress, uid: int | None = None) -> str | None:
    """Return the route or policy rule for packets to `address`, as `ip` shows it; None without one."""
    routes = list_routes(address.version)
    for rule in _matching_rules(address, os.geteuid() if uid is None else uid):
        if rule.action in REFUSALS:
            return f"the policy rule {rule.preference} ({REFUSALS[rule.action]})"
        best = _best_route(routes, rule, address) if rule.action == TO_TABLE else None
        if best is None or best.kind == THROW:
            continue
        by_rule = "" if best.table in TABLES else f" (policy rule {rule.preference})"
        return f"the route {format_route(best)}{by_rule}"
    return None


def format_route(route: RouteEntry) -> str:
    """Return a route as `ip route` shows it."""
    words = [REFUSALS[route.kind]] if route.kind in REFUSALS else []
    words.append(f"{route.destination}/{route.length}" if route.length else "default")
    if route.gateway:
        words += ["via", str(ip_address(route.gateway))]
    if route.link and route.kind == RTN_UNICAST:
        words += ["dev", link_name(route.link)]
    if route.metric:
        words += ["metric", str(route.metric)]
    if route.table != RT_TABLE_MAIN:
        words += ["table", TABLES.get(route.table, str(route.table))]
    return " ".join(words)


class _PolicyRule:
    """One policy rule, with its selectors."""

    def __init__(self, body: bytes) -> None:
        _, self.dst_length, self.src_length, self.tos, table, _, _, self.action, flags = _RULE.unpack_from(body)
        self._has = attributes(body[_RULE.size :])
        self.preference = self._number(FRA_PRIORITY, 0)
        self.table = self._number(FRA_TABLE, table)
        # The kernel ignores routes with a prefix of this length or shorter.
        self.suppressed = struct.unpack("=i", self._has.get(FRA_SUPPRESS_PREFIXLEN, b"\xff" * 4))[0]
        self._inverted = bool(flags & INVERTED)

    def matches(self, address: IPAddress, uid: int) -> bool:
        """Whether it matches a TCP connection of this user that has no source, mark or interface yet."""
        has = self._has
        destined = self.dst_length == 0 or (
            FRA_DST in has and address in ip_network((has[FRA_DST], self.dst_length), strict=False)
        )
        first, last = _UIDS.unpack(has.get(FRA_UID_RANGE, _UIDS.pack(0, 2**32 - 1)))
        lowest, highest = _PORTS.unpack(has.get(FRA_DPORT_RANGE, _PORTS.pack(0, 2**16 - 1)))
        unset_in_advance = (FRA_OIFNAME, FRA_SPORT_RANGE)
        matching = (
            destined
            and lowest <= PORT <= highest
            and first <= uid <= last
            and has.get(FRA_IIFNAME, b"lo\0") == b"lo\0"
            and self._number(FRA_FWMARK, 0) == 0
            and has.get(FRA_IP_PROTO, b"\x06") == bytes([socket.IPPROTO_TCP])
            and has.get(FRA_L3MDEV, b"\0") == b"\0"
            and not (self.src_length or self.tos or any(kind in has for kind in unset_in_advance))
        )
        return matching is not self._inverted

    def _number(self, kind: int, default: int) -> int:
        return int(struct.unpack("=I", self._has[kind])[0]) if kind in self._has else default


def _matching_rules(address: IPAddress, uid: int) -> Iterator[_PolicyRule]:
    """Return the matching policy rules in the kernel's order."""
    family = FAMILIES[address.version]
    with Netlink(socket.NETLINK_ROUTE) as kernel:
        listed = [
            _PolicyRule(message.body)
            for message in kernel.request(RTM_GETRULE, _RULE.pack(family, *bytes(7), 0), NLM_F_DUMP)
        ]
    for rule in sorted(listed, key=lambda rule: rule.preference):
        if rule.matches(address, uid):
            yield rule


def _best_route(routes: Sequence[RouteEntry], rule: _PolicyRule, address: IPAddress) -> RouteEntry | None:
    fitting = [
        route
        for route in routes
        if route.table == rule.table and address in ip_network((route.destination, route.length), strict=False)
    ]
    best = min(fitting, key=lambda route: (-route.length, route.metric), default=None)
    return None if best is None or best.length <= rule.suppressed else best
