"""The URLs at which a running process listens, from /proc: for a health check that knows the process but not its port.

An image's health check is fixed when the image is built, but the port is chosen when it runs. Formats: proc_pid_fd(5),
proc_pid_net(5).
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
from typing import TYPE_CHECKING, Final

from imds_mock.addresses import host_and_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTENING: Final = "0A"
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")


def urls(pid: int, proc: str = "/proc") -> list[str]:
    """The URLs of the TCP sockets on which a process, or a direct child of it (behind an init), listens.

    Args:
        pid: Process id.
        proc: Mount point of the proc file system.

    Returns:
        `http://HOST:PORT` by ascending port, with loopback in place of the unspecified address.
    """
    own = {inode for process in (pid, *_children(pid, proc)) for inode in _sockets(process, proc)}
    found = {(port, _LOOPBACK.get(address, address)) for address, port, inode in _listeners(proc) if inode in own}
    return [f"http://{host_and_port(host, port)}" for port, host in sorted(found)]


def _children(pid: int, proc: str) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in _read(f"{proc}/{pid}/task/{pid}/children").split()]
    return []


def _sockets(pid: int, proc: str) -> Iterator[str]:
    # The descriptors of another user's process are hidden, and a process may end meanwhile.
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"{proc}/{pid}/fd"):
            with contextlib.suppress(OSError):
                if match := _SOCKET.fullmatch(os.readlink(entry.path)):  # noqa: PTH115 - not a path at all
                    yield match[1]


def _listeners(proc: str) -> Iterator[tuple[str, int, str]]:
    for table in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError):
            for line in _read(f"{proc}/{table}").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    address, _, port = fields[1].partition(":")
                    yield _address(address), int(port, 16), fields[9]


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - importing pathlib takes as long as the rest of the check
        return file.read()


def _address(digits: str) -> str:
    # 32-bit words, each printed in the machine's byte order.
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
