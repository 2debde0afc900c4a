"""The route to an IMDS endpoint that a redirect needs: a /32 or /128 to the interface of the mock.

The route to 169.254.169.254 determines a connection's source address, before NAT changes the destination:

* If that route uses another interface than the mock's (an application on two networks), packets carry the wrong source
  address and are dropped on the way.
* Without a route (a network without a default route), connecting fails at once.
* If the application has a link-local address, packets carry that address, to which the mock has no route.

In all three cases the shim adds `169.254.169.254/32 dev <interface to the mock> src <source address to the mock>`. It
precedes a blackhole, unreachable or prohibit route to the same address: IPv4 prefers the route that was prepended last,
IPv6 the lower metric. The shim's routes have the protocol number `PROTOCOL` (`ip route show proto 169`), so that it
never replaces or removes another program's.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from imds_shim import capabilities
from imds_shim.endpoints import IPV6
from imds_shim.errors import KernelRefusedError, ShimError
from imds_shim.frozen_record import FrozenRecord
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
    NextHop,
    link_name,
    list_routes,
    look_up_route,
)
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.endpoints import IPAddress
    from imds_shim.nat.rtnetlink import RouteEntry, RouteLookup

PROTOCOL = 169

RT_SCOPE_LINK = 253
IPV6_METRIC = 1024  # the kernel's default for IPv6 routes


class Route(FrozenRecord):
    """A route of the shim, with its packed source address; metric 0 is the kernel's default.

    `overridden_by` names the route or policy rule because of which the route had no effect and was removed again.
    """

    destination: IPAddress
    link: int
    source: bytes
    metric: int = 0
    overridden_by: str = ""

    def __str__(self) -> str:
        return f"route {self.destination}/{self.destination.max_prefixlen} dev {link_name(self.link)}"


def ensure_route(
    destination: IPAddress,
    mock: IPAddress,
    *,
    on_link: bool = False,
    before_change: Callable[[Sequence[Route]], object] = lambda _own: None,
) -> Route | None:
    """Make packets to `destination` leave by the interface to `mock`, with the same source address.

    Args:
        destination: the IMDS endpoint.
        mock: an address of the mock.
        on_link: the mock itself holds `destination`, so a route by a gateway is replaced.
        before_change: called before the first change with the argument for `restore`.

    Returns:
        The route that was set, or None if no route is needed.

    Raises:
        PrivilegeError: NET_ADMIN is missing.
        KernelRefusedError: another program's route or policy rule takes precedence; nothing has changed.
    """
    to_mock, now = look_up_route(mock), look_up_route(destination)
    if to_mock.next_hop is NextHop.NONE or _is_right(now, to_mock, on_link=on_link):
        return None
    existing = [route for route in list_routes(destination.version) if _is_alternative(route, destination)]
    own = [_to_route(route) for route in existing if _is_own(route)]
    source = b"" if to_mock.next_hop is NextHop.LOCAL or on_link else to_mock.source
    new = Route(destination, to_mock.link, source, _metric(destination, existing))
    before_change(own)
    if new in own:
        _change(RTM_DELROUTE, new)  # another program has prepended its route
    _change(RTM_NEWROUTE, new, NLM_F_CREATE)
    for old in own:
        if old != new:
            _change(RTM_DELROUTE, old)
    after = look_up_route(destination)
    if after.link == new.link:
        return new
    restore(destination, own)
    overridden_by = _deciding_rule(destination)
    if after.next_hop is NextHop.NONE:
        raise KernelRefusedError(
            f"the {new} has no effect, because {overridden_by} takes precedence and refuses packets to {destination}; "
            "remove it."
        )
    return Route(destination, new.link, source, new.metric, overridden_by)


def _is_right(now: RouteLookup, to_mock: RouteLookup, *, on_link: bool) -> bool:
    """Whether packets to an endpoint already leave as packets to the mock do."""
    if now.next_hop is NextHop.LOCAL:
        return True
    right_next_hop = now.next_hop is NextHop.ON_LINK or (now.next_hop is NextHop.GATEWAY and not on_link)
    # A mock in this network namespace is reached from any source address.
    right_interface = now.link == to_mock.link or to_mock.next_hop is NextHop.LOCAL
    # A mock that holds the endpoint's address itself is reached from any address on that link, too.
    right_source = now.source == to_mock.source or to_mock.next_hop is NextHop.LOCAL or on_link
    return right_next_hop and right_interface and right_source


def own_routes(destination: IPAddress) -> Sequence[Route]:
    """Return the shim's current routes to `destination`, as `restore` takes them."""
    return [
        _to_route(one) for one in list_routes(destination.version) if _is_own(one) and one.destination == destination
    ]


def restore(destination: IPAddress, saved: Sequence[Route]) -> None:
    """Restore the shim's routes to `destination`."""
    now = own_routes(destination)
    for route in saved:
        if route not in now:
            _change(RTM_NEWROUTE, route, NLM_F_CREATE)
    for route in now:
        if route not in saved:
            _change(RTM_DELROUTE, route)


def check_permission() -> None:
    """Raise PrivilegeError if NET_ADMIN is missing."""
    sets = capabilities.read_sets()
    missing = sets.missing("NET_ADMIN")
    if missing:
        raise capabilities.missing_error(missing, "to set a route", sets)


def remove() -> int:
    """Remove all of the shim's routes; returns their number."""
    routes = [_to_route(route) for version in FAMILIES for route in list_routes(version) if _is_own(route)]
    for route in routes:
        _change(RTM_DELROUTE, route)
    return len(routes)


def _is_alternative(route: RouteEntry, destination: IPAddress) -> bool:
    """Whether it is one of the routes among which the main table chooses by metric and order."""
    exact = route.destination == destination and route.length == destination.max_prefixlen
    return exact and route.table == RT_TABLE_MAIN


def _is_own(route: RouteEntry) -> bool:
    return route.protocol == PROTOCOL and _is_alternative(route, route.destination) and route.link != 0


def _to_route(route: RouteEntry) -> Route:
    return Route(route.destination, route.link, route.source, route.metric)


def _metric(destination: IPAddress, existing: Sequence[RouteEntry]) -> int:
    """Return the metric with which a new route precedes those that refuse packets.

    Raises:
        KernelRefusedError: there is no such metric, or another program has an ordinary route to `destination`.
    """
    others = [route for route in existing if not _is_own(route)]
    refusing = [route.metric for route in others if route.kind != RTN_UNICAST]
    ipv6 = destination.version == IPV6
    metric = min([IPV6_METRIC, *(found - 1 for found in refusing)]) if ipv6 else 0
    ordinary = next((route for route in others if route.kind == RTN_UNICAST and route.metric <= metric), None)
    if ordinary is not None or (ipv6 and metric < 1):
        from imds_shim.nat.policy_routing import format_route

        route = format_route(ordinary or next(route for route in others if route.metric - 1 == metric))
        raise KernelRefusedError(
            f"the shim's route to {destination} cannot precede the route {route} of another program; remove that route."
        )
    return metric


def _deciding_rule(destination: IPAddress) -> str:
    from imds_shim.nat.policy_routing import deciding_rule

    return deciding_rule(destination) or "another route"


def _change(message_type: int, route: Route, flags: int = 0) -> None:
    destination = route.destination
    head = (FAMILIES[destination.version], destination.max_prefixlen, 0, 0, RT_TABLE_MAIN, PROTOCOL)
    body = ROUTE.pack(*head, RT_SCOPE_LINK, RTN_UNICAST, 0)
    body += attribute(RTA_DST, destination.packed) + attribute(RTA_OIF, NUMBER.pack(route.link))
    if route.source:
        body += attribute(RTA_PREFSRC, route.source)
    if route.metric:
        body += attribute(RTA_PRIORITY, NUMBER.pack(route.metric))
    try:
        with Netlink(socket.NETLINK_ROUTE) as kernel:
            kernel.request(message_type, body, flags)
    except OSError as error:
        raise _to_error(error, route) from error


def _to_error(error: OSError, route: Route) -> ShimError:
    if error.errno == errno.EPERM:
        sets = capabilities.read_sets()
        missing = sets.missing("NET_ADMIN") or ("NET_ADMIN",)
        return capabilities.missing_error(missing, f"for the {route}", sets)
    return KernelRefusedError(f"the kernel refused the {route}: {error.strerror}.")
