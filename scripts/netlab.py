"""Network namespaces on the real kernel, for the demo, the tests and the measurements.

A process holds each network and mount namespace. It ends when the pipe to its standard input closes, so it never
outlives the program that created it. Links connect only namespaces of the same lab, so no packet leaves it, and the
machine's own network stays untouched. Needs util-linux, iproute2, and root or user namespaces.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import subprocess
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType


class Namespace:
    """A network namespace with its own mounts; `Lab.namespace` creates it."""

    def __init__(self, name: str, parent_user_namespace: int | None) -> None:
        self.name = name
        self._user = parent_user_namespace
        enter = () if self._user is None else _enter(self._user, "--user", "--preserve-credentials")
        self._holder = subprocess.Popen(
            [*enter, "unshare", "--net", "--mount", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        _await_ready(self._holder)
        self.run(["ip", "link", "set", "lo", "up"])

    @property
    def pid(self) -> int:
        """Id of the process that holds the namespace."""
        return self._holder.pid

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs `argv` in the namespace, with the caller's working directory and environment."""
        kinds = ["--net", "--mount"] if self._user is None else ["--user", "--preserve-credentials", "--net", "--mount"]
        return [*_enter(self.pid, *kinds), "--wd=.", "--", *map(str, argv)]

    def run(
        self, argv: Sequence[str | Path], *, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program and return its output; raises CalledProcessError if it fails, unless `check=False`."""
        options = {"capture_output": True, "text": True, "timeout": 300} | options
        return subprocess.run(self.command(argv), check=check, **options)

    def popen(self, argv: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        """Start a program in the namespace; the caller ends it."""
        return subprocess.Popen(self.command(argv), **({"text": True} | options))

    def ip(self, *words: str) -> str:
        """Run `ip WORDS...` in the namespace and return its output."""
        return self.run(["ip", *words]).stdout

    def set_kernel(self, name: str, value: int) -> None:
        """Set a `net` parameter of the kernel, such as `ipv4/ip_forward`, without sysctl(8), which may be missing."""
        self.run(["sh", "-c", f"echo {value} >/proc/sys/net/{name}"])

    def bind(self, source: Path, target: str) -> None:
        """Mount the file `source` over `target` in the namespace, for example a hosts file."""
        self.run(["mount", "--bind", source, target])

    def close(self) -> None:
        """End the process that holds the namespace; the kernel removes it and its links with its last process."""
        with contextlib.suppress(ProcessLookupError):
            self._holder.kill()
        self._holder.wait()
        for pipe in (self._holder.stdin, self._holder.stdout):
            if pipe is not None:
                pipe.close()


class Lab:
    """A set of namespaces and the links between them; a context manager that removes all of it."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._user: int | None = None
        self._links = 0
        if os.geteuid() != 0:
            holder = subprocess.Popen(
                ["unshare", "--user", "--map-root-user", "sh", "-c", "echo ready; exec cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._stack.callback(_end, holder)
            _await_ready(holder)
            self._user = holder.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def namespace(self, name: str) -> Namespace:
        """Create a namespace with only a loopback interface."""
        made = Namespace(name, self._user)
        self._stack.callback(made.close)
        return made

    def link(
        self, left: Namespace, right: Namespace, left_addresses: Sequence[str], right_addresses: Sequence[str]
    ) -> tuple[str, str]:
        """Connect two namespaces with a veth pair and addresses such as `10.77.0.1/24`; returns the interface names."""
        self._links += 1
        names = (f"eth{self._links - 1}a", f"eth{self._links - 1}b")
        left.ip(
            *("link", "add", names[0], "type", "veth"),
            *("peer", "name", names[1], "netns", str(right.pid)),
        )
        for space, name, addresses in ((left, names[0], left_addresses), (right, names[1], right_addresses)):
            for address in addresses:
                # Duplicate address detection would keep an IPv6 address unusable for a second.
                extra = ("nodad",) if ipaddress.ip_interface(address).version == 6 else ()  # noqa: PLR2004 - it is IPv6
                space.ip("address", "add", address, "dev", name, *extra)
            space.ip("link", "set", name, "up")
        return names


def _enter(pid: int, *kinds: str) -> list[str]:
    return ["nsenter", "--target", str(pid), *kinds]


def _await_ready(holder: subprocess.Popen[bytes]) -> None:
    pipe: IO[bytes] | None = holder.stdout
    if pipe is None or pipe.readline() != b"ready\n":
        holder.wait()
        raise RuntimeError("cannot create a network namespace; run as root, or allow user namespaces")


def _end(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    for pipe in (holder.stdin, holder.stdout):
        if pipe is not None:
            pipe.close()
