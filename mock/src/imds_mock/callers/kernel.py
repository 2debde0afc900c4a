"""What the kernel knows of the networks around this process: own addresses, gateways, neighbours' hardware addresses.

rtnetlink(7) tells it without any privilege. One question at a time over one socket, microseconds each. Where there is
no rtnetlink (other kernels, sandboxes), or no answer, nothing is known.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Interface, IPv6Interface

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ADDRESS: Final = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")  # ndmsg: family, index, state, flags, type
_ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr: length, type
_ERROR, _DONE = 2, 3
_GET_ADDRESS, _GET_NEIGHBOUR = 22, 30
_REQUEST, _DUMP = 0x1, 0x300
_IFA_ADDRESS, _IFA_LOCAL, _NDA_DST, _NDA_LLADDR = 1, 2, 1, 2
_MAC_BYTES: Final = 6
# nud_state of neighbour.h: what the kernel has heard lately, or was told; and what is no neighbour.
_CONFIRMED_STATES: Final = 0x02 | 0x80  # NUD_REACHABLE, NUD_PERMANENT
_NO_NEIGHBOUR: Final = 0x40  # NUD_NOARP: multicast, loopback
_RECEIVED: Final = 65536
_PATIENCE_SECONDS: Final = 0.1


class Link(NamedTuple):
    """One address of this network namespace.

    Attributes:
        place: Index of the network interface.
        interface: The address with the block that it is in.
    """

    place: int
    interface: IPv4Interface | IPv6Interface

    @property
    def address(self) -> str:
        """The address."""
        return str(self.interface.ip)


class Neighbour(NamedTuple):
    """One neighbour in the kernel's table (ip-neighbour(8)).

    Attributes:
        place: Index of the network interface that it is behind.
        address: Its IP address.
        mac: Its hardware address.
        is_confirmed: The kernel has heard from this address in about the last half minute. Without that the entry may
            be out of date: another container may have the address.
    """

    place: int
    address: str
    mac: str
    is_confirmed: bool


class Kernel:
    """Asks the kernel; opens its socket at the first question."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0

    def links(self) -> tuple[Link, ...]:
        """The addresses of this network namespace; empty when they cannot be known."""
        found = []
        for body in self._ask(_GET_ADDRESS, _DUMP, _ADDRESS.pack(0, 0, 0, 0, 0)):
            _, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
            attributes = dict(_attributes(body[_ADDRESS.size :]))
            raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
            if raw is not None:
                found.append(Link(index, ip_interface(f"{ip_address(raw)}/{prefix_length}")))
        return tuple(found)

    def mac_of(self, address: str, index: int) -> str | None:
        """The hardware address of a neighbour; None when the kernel has not spoken with it lately.

        Args:
            address: The neighbour's IP address.
            index: The interface that it is behind.
        """
        raw = ip_address(address).packed
        family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6  # noqa: PLR2004 - bytes of an IPv4 address
        question = _NEIGHBOUR.pack(family, index, 0, 0, 0) + _ATTRIBUTE.pack(_ATTRIBUTE.size + len(raw), _NDA_DST) + raw
        for body in self._ask(_GET_NEIGHBOUR, 0, question):
            mac = dict(_attributes(body[_NEIGHBOUR.size :])).get(_NDA_LLADDR, b"")
            if len(mac) == _MAC_BYTES and any(mac):
                return mac.hex(":")
        return None

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The neighbours of both families whose hardware address the kernel has; empty when they cannot be known."""
        found = []
        for body in self._ask(_GET_NEIGHBOUR, _DUMP, _NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
            _, place, state, _, _ = _NEIGHBOUR.unpack_from(body)
            attributes = dict(_attributes(body[_NEIGHBOUR.size :]))
            address, mac = attributes.get(_NDA_DST, b""), attributes.get(_NDA_LLADDR, b"")
            if address and len(mac) == _MAC_BYTES and any(mac) and not state & _NO_NEIGHBOUR:
                confirmed = bool(state & _CONFIRMED_STATES)
                found.append(Neighbour(place, str(ip_address(address)), mac.hex(":"), confirmed))
        return tuple(found)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, kind: int, flags: int, question: bytes) -> Iterator[bytes]:
        """The bodies of the answers; none when the kernel has none, or cannot be asked."""
        with contextlib.suppress(OSError):
            if self._socket is None:
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
                self._socket.settimeout(_PATIENCE_SECONDS)
            self._sequence += 1
            size = _HEADER.size + len(question)
            self._socket.send(_HEADER.pack(size, kind, _REQUEST | flags, self._sequence, 0) + question)
            more = True
            while more:
                more = False
                for answer, sequence, body in _messages(self._socket.recv(_RECEIVED)):
                    if sequence != self._sequence:
                        more = True  # of a question that was given up
                    elif answer not in {_ERROR, _DONE}:
                        yield body
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
