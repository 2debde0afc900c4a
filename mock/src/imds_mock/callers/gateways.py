"""The default gateways' addresses in this network namespace, from the kernel's tables (proc(5)).

A port that is published on the host is reached from there, measured with Docker.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_ROUTE_IS_UP_BY_GATEWAY: Final = 0x3
_IPV6_COLUMNS: Final = 10
_SECONDS: Final = 1.0


class Remembered:
    """The default gateways' addresses, read anew after a second: each connection to the control plane needs them.

    Args:
        read: Reads them.
        clock: Seconds on a clock that only goes forward.
    """

    def __init__(self, read: Callable[[], frozenset[str]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._known: tuple[float, frozenset[str]] | None = None

    def __call__(self) -> frozenset[str]:
        """The addresses."""
        now = self._clock()
        if self._known is None or now - self._known[0] > _SECONDS:
            self._known = now, self._read()
        return self._known[1]


def default_gateways(proc_net: Path) -> frozenset[str]:
    """The default gateways' addresses in this network namespace, from the kernel's tables (proc(5)).

    Args:
        proc_net: `/proc/net`.
    """
    return frozenset([*_ipv4_gateways(proc_net / "route"), *_ipv6_gateways(proc_net / "ipv6_route")])


def _ipv4_gateways(table: Path) -> Iterable[str]:
    for line in _lines(table):
        columns = line.split()
        destination, gateway, flags, mask = columns[1], columns[2], columns[3], columns[7]
        if destination == mask == "00000000" and int(flags, 16) & _ROUTE_IS_UP_BY_GATEWAY == _ROUTE_IS_UP_BY_GATEWAY:
            yield socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))


def _ipv6_gateways(table: Path) -> Iterable[str]:
    for line in _lines(table):
        columns = line.split()
        if len(columns) >= _IPV6_COLUMNS and columns[0] == "0" * 32 and columns[1] == "00" and columns[4] != "0" * 32:
            yield str(ipaddress.IPv6Address(int(columns[4], 16)))


def _lines(table: Path) -> list[str]:
    try:
        lines = table.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [line for line in lines if line and not line.startswith("Iface")]
