"""Routes to the IMDS endpoints: which way they leave now, and the /32 or /128 that a redirect needs.

The source address of a connection is chosen by the route to 169.254.169.254, before NAT changes the destination. Where
that route leaves by another interface than the mock's (an application on two networks), the packets carry the wrong
source and are dropped on the way; where there is none (a network without a default route), connect fails at once; where
the application has a link-local address, the packets carry that one, to which the mock knows no way back. In all three
`169.254.169.254/32 dev <interface to the mock> src <address that the mock is asked from>` is the cure. It goes in front
of a blackhole, unreachable or prohibit route to the same address: IPv4 tries the route that was added in front first,
IPv6 the one with the lower metric. Our routes carry the protocol number `PROTOCOL` (`ip route show proto 169`), so that
another program's is never replaced or removed.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from imds_shim import capabilities
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.nat.netlink import NLM_F_CREATE, Netlink, attribute
from imds_shim.nat.rtnetlink import (
    FAMILIES,
    NUMBER,
    ROUTE,
    RT_TABLE_MAIN,
    RTA_DST,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    RTN_UNICAST,
    Way,
    entries,
    how_routed,
    link_name,
)
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.endpoints import IPAddress
    from imds_shim.nat.rtnetlink import Entry

PROTOCOL = 169

RT_SCOPE_LINK = 253
IPV6_METRIC = 1024  # what the kernel gives an IPv6 route that names none


class Lead(Record):
    """A route of ours, and from which packed source address it is used; metric 0 is the kernel's own choice.

    `hidden_by` says why it would have no effect, and is then not set.
    """

    destination: IPAddress
    link: int
    source: bytes
    metric: int = 0
    overruled_by: str = ""

    def __str__(self) -> str:
        return f"route {self.destination}/{self.destination.max_prefixlen} dev {link_name(self.link)}"


def ensure_route(
    destination: IPAddress,
    mock: IPAddress,
    *,
    on_link: bool = False,
    note: Callable[[Sequence[Lead]], object] = lambda _ours: None,
) -> Lead | None:
    """Let packets to `destination` leave by the interface that leads to `mock`, and from the same source address.

    Args:
        destination: the IMDS endpoint.
        mock: an address of the mock.
        on_link: the mock itself holds `destination`, so a gateway on the same interface will not do.
        note: called before the first change with what `restore` takes.

    Returns:
        What was set, or None where it is so already.

    Raises:
        PrivilegeError: NET_ADMIN is missing.
        KernelRefusedError: a route or policy rule of another program is in the way; nothing is changed then.
    """
    to_mock, now = how_routed(mock), how_routed(destination)
    right_way = now.way is Way.ON_LINK or (now.way is Way.VIA and not on_link)
    # A mock in this network namespace is reached from any source address.
    right_interface = now.link == to_mock.link or to_mock.way is Way.LOCAL
    # Where the mock holds `destination` itself, it is asked from whatever address is on that link, too.
    right_source = now.source == to_mock.source or to_mock.way is Way.LOCAL or on_link
    if to_mock.way is Way.NONE or now.way is Way.LOCAL or (right_way and right_interface and right_source):
        return None
    there = [route for route in entries(destination.version) if _is_alternative(route, destination)]
    ours = [_as_lead(route) for route in there if _is_ours(route)]
    source = b"" if to_mock.way is Way.LOCAL or on_link else to_mock.source
    made = Lead(destination, to_mock.link, source, _metric(destination, there))
    note(ours)
    if made in ours:
        _change(RTM_DELROUTE, made)  # another program's was put in front of it
    _change(RTM_NEWROUTE, made, NLM_F_CREATE)
    for old in ours:
        if old != made:
            _change(RTM_DELROUTE, old)
    after = how_routed(destination)
    if after.link == made.link:
        return made
    restore(destination, ours)
    overruled_by = _decided_by(destination)
    if after.way is Way.NONE:
        raise KernelRefusedError(
            f"the {made} has no effect, because the kernel asks {overruled_by} first; remove that, so that packets to "
            f"{destination} can leave."
        )
    return Lead(destination, made.link, source, made.metric, overruled_by)


def record(destination: IPAddress) -> Sequence[Lead]:
    """Return our routes to `destination` now, for `restore`."""
    return [_as_lead(one) for one in entries(destination.version) if _is_ours(one) and one.destination == destination]


def restore(destination: IPAddress, recorded: Sequence[Lead]) -> None:
    """Bring our routes to `destination` back to what was recorded."""
    now = record(destination)
    for route in recorded:
        if route not in now:
            _change(RTM_NEWROUTE, route, NLM_F_CREATE)
    for route in now:
        if route not in recorded:
            _change(RTM_DELROUTE, route)


def check_may_set() -> None:
    """Raises PrivilegeError where NET_ADMIN is missing."""
    sets = capabilities.read_sets()
    missing = sets.missing("NET_ADMIN")
    if missing:
        raise PrivilegeError(
            "a route needs NET_ADMIN, which this container lacks", capabilities.how_to_get(missing, sets), missing
        )


def is_ours(destination: IPAddress) -> bool:
    """Whether a route of ours leads to `destination`."""
    return bool(record(destination))


def remove() -> int:
    """Take away every route of ours; returns how many there were."""
    routes = [_as_lead(route) for version in FAMILIES for route in entries(version) if _is_ours(route)]
    for route in routes:
        _change(RTM_DELROUTE, route)
    return len(routes)


def _is_alternative(route: Entry, destination: IPAddress) -> bool:
    """Whether it is one of the routes among which the main table chooses by metric and order."""
    exact = route.destination == destination and route.length == destination.max_prefixlen
    return exact and route.table == RT_TABLE_MAIN


def _is_ours(route: Entry) -> bool:
    return route.protocol == PROTOCOL and _is_alternative(route, route.destination) and route.link != 0


def _as_lead(route: Entry) -> Lead:
    return Lead(route.destination, route.link, route.source, route.metric)


def _metric(destination: IPAddress, there: Sequence[Entry]) -> int:
    """Return the metric with which a new route is in front of those that refuse packets.

    Raises:
        KernelRefusedError: no metric is low enough, or a route of another program leads somewhere.
    """
    others = [route for route in there if not _is_ours(route)]
    refusing = [route.metric for route in others if route.kind != RTN_UNICAST]
    six = destination.version == 6  # noqa: PLR2004 - IP version
    metric = min([IPV6_METRIC, *(found - 1 for found in refusing)]) if six else 0
    leading = next((route for route in others if route.kind == RTN_UNICAST and route.metric <= metric), None)
    if leading is not None or (six and metric < 1):
        from imds_shim.nat.obstacle import written  # noqa: PLC0415 - only then

        route = written(leading or next(route for route in others if route.metric - 1 == metric))
        raise KernelRefusedError(
            f"the shim's route to {destination} cannot be set in front of the route {route} of another program; remove "
            "that route."
        )
    return metric


def _decided_by(destination: IPAddress) -> str:
    from imds_shim.nat.obstacle import decided_by  # noqa: PLC0415 - only then

    return decided_by(destination) or "something"


def _change(kind: int, route: Lead, flags: int = 0) -> None:
    more = attribute(RTA_DST, route.destination.packed) + attribute(RTA_OIF, NUMBER.pack(route.link))
    if route.source:
        more += attribute(RTA_PREFSRC, route.source)
    if route.metric:
        more += attribute(RTA_PRIORITY, NUMBER.pack(route.metric))
    try:
        with Netlink(socket.NETLINK_ROUTE) as kernel:
            kernel.ask(kind, _body(route.destination, more), flags)
    except OSError as error:
        raise _explained(error, route) from error


def _body(address: IPAddress, more: bytes) -> bytes:
    head = (
        FAMILIES[address.version],
        address.max_prefixlen,
        0,
        0,
        RT_TABLE_MAIN,
        PROTOCOL,
        RT_SCOPE_LINK,
        RTN_UNICAST,
    )
    return ROUTE.pack(*head, 0) + more


def _explained(error: OSError, route: Lead) -> ShimError:
    if error.errno == errno.EPERM:
        sets = capabilities.read_sets()
        missing = sets.missing("NET_ADMIN") or ("NET_ADMIN",)
        return PrivilegeError(f"the {route} needs NET_ADMIN", capabilities.how_to_get(missing, sets), missing)
    return KernelRefusedError(f"the {route} was refused: {error.strerror}.")
