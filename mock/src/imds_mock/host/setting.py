"""What can be set on a machine, as values: each setting with the commands that set it and that take it away.

Commands are text for `sh -e`, so that what is printed is what is run, and can be run by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESSES: Final = {
    "ec2": {4: "169.254.169.254", 6: "fd00:ec2::254"},
    "ecs": {4: "169.254.170.2"},
    "eks": {4: "169.254.170.23", 6: "fd00:ec2::23"},
}
"""The addresses of each endpoint, by IP version."""
EC2: Final = ("ec2",)
LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}
HTTP: Final = 80
DEFAULT_PORT: Final = 1338
UNKNOWN_PORT: Final = 0
"""Of a setting that says nothing of it, or that only root may look at."""

Way = Literal["dnat", "alias"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to hold: the way, the port that the mock listens at, whether IPv6 as well, and for which endpoints."""

    way: Way
    port: int
    ipv6: bool
    endpoints: tuple[str, ...] = EC2

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions that it is about."""
        return (4, 6) if self.ipv6 else (4,)

    @property
    def addresses(self) -> list[tuple[int, str]]:
        """The addresses that it is about, each after its IP version."""
        return [
            (version, ADDRESSES[endpoint][version])
            for version in self.versions
            for endpoint in self.of_version(version)
        ]

    def of_version(self, version: int) -> tuple[str, ...]:
        """The endpoints that have an address of an IP version.

        Args:
            version: 4 or 6.
        """
        return tuple(endpoint for endpoint in self.endpoints if version in ADDRESSES[endpoint])


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing in the kernel, of which there is at most one.

    Attributes:
        key: What it is; two settings of one key exclude each other.
        up: Sets it, in place of another one of the same key.
        down: Takes it away.
        request: The least that it is part of.
    """

    key: str
    up: str
    down: str
    request: Request


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and the one that takes its effect back."""

    command: str
    undo: str


class Shell(Protocol):
    """Where commands run."""

    def run(self, command: str) -> None:
        """Run it.

        Raises:
            HostError: It failed.
        """

    def read(self, command: str) -> tuple[str, str]:
        """What a command prints, to standard output and to standard error; whether it fails does not matter."""


class Platform(Protocol):
    """One kind of system."""

    ways: Sequence[Way]
    """Those that work on it, the best one first."""

    def wanted(self, request: Request) -> list[Setting]:
        """What makes it so, in the order in which it is set.

        Raises:
            WayError: What is asked for does not go together.
        """

    def present(self, shell: Shell) -> list[Setting]:
        """What of it is set now, by this program, in the order of `wanted`."""

    def serve(self, request: Request) -> str:
        """The command that starts the mock where it is asked then."""


def steps_up(present: Sequence[Setting], wanted: Sequence[Setting]) -> list[Step]:
    """The steps from what is set to what is wanted: first what is missing, then what is too much."""
    before = {setting.key: setting for setting in present}
    missing = [
        Step(setting.up, before[setting.key].up if setting.key in before else setting.down)
        for setting in wanted
        if setting not in present
    ]
    keys = {setting.key for setting in wanted}
    surplus = [setting for setting in present if setting.key not in keys]
    return missing + steps_down(surplus)


def steps_down(present: Sequence[Setting]) -> list[Step]:
    """The steps that take all of it away, the last set first."""
    return [Step(setting.down, setting.up) for setting in reversed(present)]


def request_of(present: Sequence[Setting]) -> Request | None:
    """What was asked for when this was set; None if nothing is set."""
    if not present:
        return None
    requests = [setting.request for setting in present]
    endpoints = tuple(name for name in ADDRESSES if any(name in each.endpoints for each in requests)) or EC2
    return Request(requests[0].way, max(each.port for each in requests), any(each.ipv6 for each in requests), endpoints)
