"""The URLs at which a running process listens, from /proc: for a health check that knows the process but not its port.

An image's health check is fixed when the image is built, but the port is chosen when it runs. Formats: proc_pid_fd(5),
proc_pid_net(5).
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imds_mock.addresses import host_and_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTENING: Final = "0A"
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")


def urls(pid: int, proc: Path = Path("/proc")) -> list[str]:
    """The URLs of the TCP sockets on which a process, or a direct child of it (behind an init), listens.

    Args:
        pid: Process id.
        proc: Mount point of the proc file system.

    Returns:
        `http://HOST:PORT` by ascending port, with loopback in place of the unspecified address.
    """
    own = {inode for process in (pid, *_children(pid, proc)) for inode in _sockets(process, proc)}
    found = {(port, _host(address)) for address, port, inode in _listeners(proc) if inode in own}
    return [f"http://{host_and_port(host, port)}" for port, host in sorted(found)]


def _children(pid: int, proc: Path) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in (proc / f"{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []


def _sockets(pid: int, proc: Path) -> Iterator[str]:
    # The descriptors of another user's process are hidden, and a process may end meanwhile.
    with contextlib.suppress(OSError):
        for entry in os.scandir(proc / f"{pid}/fd"):
            with contextlib.suppress(OSError):
                if match := _SOCKET.fullmatch(os.readlink(entry.path)):  # noqa: PTH115 - not a path at all
                    yield match[1]


def _listeners(proc: Path) -> Iterator[tuple[IPv4Address | IPv6Address, int, str]]:
    for table in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    address, _, port = fields[1].partition(":")
                    yield _address(address), int(port, 16), fields[9]


def _address(digits: str) -> IPv4Address | IPv6Address:
    # 32-bit words, each printed in the machine's byte order.
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return IPv4Address(packed) if len(words) == 1 else IPv6Address(packed)


def _host(address: IPv4Address | IPv6Address) -> str:
    if not address.is_unspecified:
        return str(address)
    return "127.0.0.1" if isinstance(address, IPv4Address) else "::1"
