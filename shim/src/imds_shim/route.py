"""Routes to the IMDS endpoints: which way they leave now, and the /32 or /128 that a redirect needs.

The source address of a connection is chosen by the route to 169.254.169.254, before NAT changes the destination. Where
that route leaves by another interface than the mock's (an application on two networks), the packets carry the wrong
source and are dropped on the way; where there is none (a network without a default route), connect fails at once; where
the application has a link-local address, the packets carry that one, to which the mock knows no way back. In all three
`169.254.169.254/32 dev <interface to the mock> src <address that the mock is asked from>` is the cure. Our routes carry
the protocol number `PROTOCOL` (`ip route show proto 169`), so that nobody else's is ever replaced or removed.
"""

from __future__ import annotations

import enum
import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from . import capabilities
from .errors import KernelRefusedError, PrivilegeError, ShimError
from .netlink import NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, Netlink, attribute, attributes
from .record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .rule import IPAddress

PROTOCOL = 169

# include/uapi/linux/rtnetlink.h
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, RTA_VIA = 1, 4, 5, 7, 18
RTN_UNICAST, RTN_LOCAL = 1, 2
RT_TABLE_MAIN = 254
RT_SCOPE_LINK = 253
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}

_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst and src length, tos, table, protocol, scope, type, flags
_INDEX = struct.Struct("=I")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Way(enum.Enum):
    """How the first packet to an address would leave."""

    LOCAL = "local"
    ON_LINK = "on-link"
    VIA = "via a gateway"
    NONE = "no route"


class Routed(Record):
    """The kernel's answer for one address: the interface's number (0 without a route), and the source it chooses."""

    way: Way
    link: int = 0
    source: bytes = b""

    @property
    def interface(self) -> str:
        """The interface's name."""
        return _name(self.link)


class Lead(Record):
    """A route of ours, from which packed source address it is used, and what of ours stood there when it was set."""

    destination: IPAddress
    link: int
    source: bytes
    replaced: Lead | None = None

    def __str__(self) -> str:
        return f"route {self.destination}/{self.destination.max_prefixlen} dev {_name(self.link)}"

    def undo(self) -> None:
        """Bring back what was there before."""
        if self.replaced is None:
            _change(RTM_DELROUTE, self)
        else:
            _change(RTM_NEWROUTE, self.replaced, NLM_F_CREATE | NLM_F_REPLACE)


def how_routed(address: IPAddress) -> Routed:
    """Ask the kernel, by its whole policy, how a packet to `address` would leave; no packet is sent."""
    try:
        with Netlink(socket.NETLINK_ROUTE) as kernel:
            messages = kernel.ask(RTM_GETROUTE, _body(address, attribute(RTA_DST, address.packed)))
    except OSError as error:
        if error.errno in NO_ROUTE:
            return Routed(Way.NONE)
        raise KernelRefusedError(f"the route to {address} cannot be asked for: {error.strerror}.") from error
    body = next(message.body for message in messages if message.kind == RTM_NEWROUTE)
    kind = _ROUTE.unpack_from(body)[7]
    found = attributes(body[_ROUTE.size :])
    if kind not in (RTN_UNICAST, RTN_LOCAL) or RTA_OIF not in found:
        return Routed(Way.NONE)
    (index,) = _INDEX.unpack(found[RTA_OIF])
    source = found.get(RTA_PREFSRC, b"")
    if kind == RTN_LOCAL:
        return Routed(Way.LOCAL, index, source)
    return Routed(Way.VIA if RTA_GATEWAY in found or RTA_VIA in found else Way.ON_LINK, index, source)


def lead(destination: IPAddress, mock: IPAddress, *, on_link: bool = False) -> Lead | None:
    """Let packets to `destination` leave by the interface that leads to `mock`, and from the same source address.

    Args:
        destination: the IMDS endpoint.
        mock: an address of the mock.
        on_link: the mock itself holds `destination`, so a gateway on the same interface will not do.

    Returns:
        What was set, or None where it is so already.

    Raises:
        PrivilegeError: NET_ADMIN is missing.
        KernelRefusedError: a route that is not ours is in the way.
    """
    to_mock, now = how_routed(mock), how_routed(destination)
    right_way = now.way is Way.ON_LINK or (now.way is Way.VIA and not on_link)
    # Whoever reaches the mock without leaving the namespace reaches it from any source address.
    right_interface = now.link == to_mock.link or to_mock.way is Way.LOCAL
    # Where the mock holds `destination` itself, it is asked from whatever address is on that link, too.
    right_source = now.source == to_mock.source or to_mock.way is Way.LOCAL or on_link
    if to_mock.way is Way.NONE or now.way is Way.LOCAL or (right_way and right_interface and right_source):
        return None
    ours = next((route for route in _ours() if route.destination == destination), None)
    source = b"" if to_mock.way is Way.LOCAL or on_link else to_mock.source
    made = Lead(destination, to_mock.link, source, ours)
    _change(RTM_NEWROUTE, made, NLM_F_CREATE | (NLM_F_EXCL if ours is None else NLM_F_REPLACE))
    return made


def check_may_set() -> None:
    """Raises PrivilegeError where NET_ADMIN is missing."""
    sets = capabilities.read_sets()
    missing = sets.missing("NET_ADMIN")
    if missing:
        raise PrivilegeError("a route needs NET_ADMIN, missing here", capabilities.how_to_get(missing, sets))


def is_ours(destination: IPAddress) -> bool:
    """Whether a route of ours leads to `destination`."""
    return any(route.destination == destination for route in _ours())


def remove() -> int:
    """Take away every route of ours; returns how many there were."""
    routes = _ours()
    for route in routes:
        route.undo()
    return len(routes)


def _ours() -> Sequence[Lead]:
    found = []
    for version, family in _FAMILIES.items():
        with Netlink(socket.NETLINK_ROUTE) as kernel:
            for message in kernel.ask(RTM_GETROUTE, _ROUTE.pack(family, *bytes(7), 0), NLM_F_DUMP):
                answered_family, length, _, _, _, protocol, *_ = _ROUTE.unpack_from(message.body)
                has = attributes(message.body[_ROUTE.size :])
                if (answered_family, protocol) == (family, PROTOCOL) and RTA_DST in has and RTA_OIF in has:
                    address = IPv4Address(has[RTA_DST]) if version == 4 else IPv6Address(has[RTA_DST])  # noqa: PLR2004 - IP version
                    if length == address.max_prefixlen:
                        found.append(Lead(address, _INDEX.unpack(has[RTA_OIF])[0], has.get(RTA_PREFSRC, b"")))
    return found


def _change(kind: int, route: Lead, flags: int = 0) -> None:
    more = attribute(RTA_DST, route.destination.packed) + attribute(RTA_OIF, _INDEX.pack(route.link))
    if route.source:
        more += attribute(RTA_PREFSRC, route.source)
    try:
        with Netlink(socket.NETLINK_ROUTE) as kernel:
            kernel.ask(kind, _body(route.destination, more), flags)
    except OSError as error:
        raise _explained(error, route) from error


def _body(address: IPAddress, more: bytes) -> bytes:
    head = (
        _FAMILIES[address.version],
        address.max_prefixlen,
        0,
        0,
        RT_TABLE_MAIN,
        PROTOCOL,
        RT_SCOPE_LINK,
        RTN_UNICAST,
    )
    return _ROUTE.pack(*head, 0) + more


def _explained(error: OSError, route: Lead) -> ShimError:
    if error.errno == errno.EPERM:
        sets = capabilities.read_sets()
        missing = sets.missing("NET_ADMIN") or ("NET_ADMIN",)
        return PrivilegeError(f"the {route} needs NET_ADMIN", capabilities.how_to_get(missing, sets))
    if error.errno == errno.EEXIST:
        return KernelRefusedError(
            f"the {route} cannot be set, because somebody else's route to {route.destination} is in its place: take "
            "that one away, or set MOCK_ROUTE=none."
        )
    return KernelRefusedError(f"the {route} was refused: {error.strerror}.")


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"#{index}"
