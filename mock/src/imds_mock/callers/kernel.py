"""The kernel's network tables: own addresses, neighbours and default gateways.

Addresses and neighbours come from rtnetlink(7), gateways from proc(5); neither needs a privilege. Queries run one at a
time over one socket and take microseconds. Without rtnetlink (other kernels, sandboxes) all tables are empty.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from ipaddress import IPv6Address, ip_address, ip_interface
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Interface, IPv6Interface
    from pathlib import Path

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ADDRESS: Final = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")  # ndmsg: family, index, state, flags, type
_ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr: length, type
_ERROR, _DONE = 2, 3
_GET_ADDRESS, _GET_NEIGHBOUR = 22, 30
_REQUEST, _DUMP = 0x1, 0x300
_IFA_ADDRESS, _IFA_LOCAL, _NDA_DST, _NDA_LLADDR = 1, 2, 1, 2
_MAC_BYTES: Final = 6
_CONFIRMED_STATES: Final = 0x02 | 0x80  # NUD_REACHABLE, NUD_PERMANENT
_NO_NEIGHBOUR: Final = 0x40  # NUD_NOARP: multicast, loopback
_BUFFER_BYTES: Final = 65536
_TIMEOUT_SECONDS: Final = 0.1
_UP_WITH_GATEWAY: Final = 0x3  # RTF_UP | RTF_GATEWAY
_IPV6_COLUMNS: Final = 10
_GATEWAY_CACHE_SECONDS: Final = 1.0


class OwnAddress(NamedTuple):
    """One address of this network namespace.

    Attributes:
        interface_index: Index of the network interface.
        interface: The address with the prefix length of its network.
    """

    interface_index: int
    interface: IPv4Interface | IPv6Interface

    @property
    def address(self) -> str:
        """The address without the prefix length."""
        return str(self.interface.ip)


class Neighbour(NamedTuple):
    """One entry of the kernel's neighbour table (ip-neighbour(8)).

    Attributes:
        interface_index: Index of the network interface.
        address: IP address.
        mac: Hardware address.
        is_confirmed: The kernel has heard from this address within about 30 s. Otherwise the entry may be stale:
            another container may have the address.
    """

    interface_index: int
    address: str
    mac: str
    is_confirmed: bool

    @property
    def owner(self) -> tuple[int, str]:
        """Interface and hardware address: equal for all addresses of one neighbour."""
        return self.interface_index, self.mac


class Kernel:
    """Queries the kernel; opens its socket at the first query."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0

    def own_addresses(self) -> tuple[OwnAddress, ...]:
        """The addresses of this network namespace; empty if rtnetlink does not answer."""
        found = []
        for body in self._query(_GET_ADDRESS, _DUMP, _ADDRESS.pack(0, 0, 0, 0, 0)):
            _, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
            attributes = dict(_attributes(body[_ADDRESS.size :]))
            raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
            if raw is not None:
                found.append(OwnAddress(index, ip_interface(f"{ip_address(raw)}/{prefix_length}")))
        return tuple(found)

    def mac_of(self, address: str, interface_index: int) -> str | None:
        """The hardware address of a neighbour; None if it is not in the kernel's table."""
        raw = ip_address(address).packed
        family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6  # noqa: PLR2004 - bytes of an IPv4 address
        destination = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(raw), _NDA_DST) + raw
        for body in self._query(_GET_NEIGHBOUR, 0, _NEIGHBOUR.pack(family, interface_index, 0, 0, 0) + destination):
            mac = dict(_attributes(body[_NEIGHBOUR.size :])).get(_NDA_LLADDR, b"")
            if len(mac) == _MAC_BYTES and any(mac):
                return mac.hex(":")
        return None

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The neighbours of both families with known hardware addresses; empty if rtnetlink does not answer."""
        found = []
        for body in self._query(_GET_NEIGHBOUR, _DUMP, _NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
            _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
            attributes = dict(_attributes(body[_NEIGHBOUR.size :]))
            address, mac = attributes.get(_NDA_DST, b""), attributes.get(_NDA_LLADDR, b"")
            if address and len(mac) == _MAC_BYTES and any(mac) and not state & _NO_NEIGHBOUR:
                is_confirmed = bool(state & _CONFIRMED_STATES)
                found.append(Neighbour(index, str(ip_address(address)), mac.hex(":"), is_confirmed))
        return tuple(found)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _query(self, kind: int, flags: int, body: bytes) -> Iterator[bytes]:
        """The bodies of the responses; none if the kernel reports an error or cannot be queried."""
        with contextlib.suppress(OSError):
            if self._socket is None:
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
                self._socket.settimeout(_TIMEOUT_SECONDS)
            self._sequence += 1
            size = _HEADER.size + len(body)
            self._socket.send(_HEADER.pack(size, kind, _REQUEST | flags, self._sequence, 0) + body)
            more = True
            while more:
                more = False
                for answer, sequence, part in _messages(self._socket.recv(_BUFFER_BYTES)):
                    if sequence != self._sequence:
                        more = True  # response to a query that timed out
                    elif answer not in {_ERROR, _DONE}:
                        yield part
                        more = flags == _DUMP
                    else:
                        more = False
                        break


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _, sequence, _ = _HEADER.unpack_from(data)
        yield kind, sequence, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 or len(data) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[max((length + 3) & ~3, _ATTRIBUTE.size) :]


class GatewayCache:
    """The default gateways' addresses, cached for 1 s because every connection to the control plane needs them.

    Args:
        read: Reads the addresses.
        monotonic: Clock in seconds.
    """

    def __init__(self, read: Callable[[], frozenset[str]], monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        self._cached: tuple[float, frozenset[str]] | None = None

    def __call__(self) -> frozenset[str]:
        """The addresses."""
        now = self._monotonic()
        if self._cached is None or now - self._cached[0] > _GATEWAY_CACHE_SECONDS:
            self._cached = now, self._read()
        return self._cached[1]


def default_gateways(proc_net: Path) -> frozenset[str]:
    """The default gateways' addresses.

    Args:
        proc_net: `/proc/net`.
    """
    return frozenset([*_ipv4_gateways(proc_net / "route"), *_ipv6_gateways(proc_net / "ipv6_route")])


def published_port_peers(
    proc_net: Path, podman_mark: Path, own_addresses: Callable[[], Iterable[OwnAddress]]
) -> frozenset[str]:
    """The addresses from which requests to a published port come: the gateways', and with Podman this container's own.

    Rootless Podman's port forwarder connects from the container's own address (measured). From any other namespace, the
    kernel drops packets with that source.

    Args:
        proc_net: `/proc/net`.
        podman_mark: The file that Podman creates in its containers, `/run/.containerenv`.
        own_addresses: Gives the addresses of this network namespace.
    """
    own = own_addresses() if podman_mark.exists() else ()
    return default_gateways(proc_net) | {each.address for each in own}


def _ipv4_gateways(table: Path) -> Iterable[str]:
    for line in _lines(table):
        columns = line.split()
        destination, gateway, flags, mask = columns[1], columns[2], columns[3], columns[7]
        if destination == mask == "00000000" and int(flags, 16) & _UP_WITH_GATEWAY == _UP_WITH_GATEWAY:
            yield socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))


def _ipv6_gateways(table: Path) -> Iterable[str]:
    for line in _lines(table):
        columns = line.split()
        if len(columns) >= _IPV6_COLUMNS and columns[0] == "0" * 32 and columns[1] == "00" and columns[4] != "0" * 32:
            yield str(IPv6Address(int(columns[4], 16)))


def _lines(table: Path) -> list[str]:
    try:
        lines = table.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [line for line in lines if line and not line.startswith("Iface")]
