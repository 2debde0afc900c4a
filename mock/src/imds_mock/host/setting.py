"""The settings of a machine's network as values, each with the commands that set and remove it.

Commands are text for `sh -e`: `--dry-run` prints exactly what is run, and a user can run it by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from imds_mock.records import Record

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
IPV6: Final = 6
DEFAULT_PORT: Final = 1338
UNKNOWN_PORT: Final = 0
"""The port of a setting that has none, or that only root may read."""

Method = Literal["dnat", "alias"]


class Redirect(Record, frozen=True):
    """A redirect to the mock.

    Attributes:
        method: `dnat` rewrites the machine's own packets, `alias` gives the machine the address.
        port: The mock's port.
        ipv6: Whether the IPv6 addresses are redirected, too.
        endpoints: The redirected endpoints, keys of `ADDRESSES`.
    """

    method: Method
    port: int
    ipv6: bool
    endpoints: tuple[str, ...] = EC2

    @property
    def versions(self) -> tuple[int, ...]:
        """The redirected IP versions."""
        return (4, 6) if self.ipv6 else (4,)

    @property
    def addresses(self) -> list[tuple[int, str]]:
        """The redirected addresses, each with its IP version."""
        return [
            (version, ADDRESSES[endpoint][version])
            for version in self.versions
            for endpoint in self.of_version(version)
        ]

    def of_version(self, version: int) -> tuple[str, ...]:
        """The endpoints that have an address of an IP version."""
        return tuple(endpoint for endpoint in self.endpoints if version in ADDRESSES[endpoint])


class Setting(Record, frozen=True):
    """One setting in the kernel.

    Attributes:
        key: Identifies the setting; the machine has at most one setting with a key.
        up: The command that sets it and replaces another setting with the same key.
        down: The command that removes it.
        redirect: The smallest redirect that contains it.
    """

    key: str
    up: str
    down: str
    redirect: Redirect


class Step(Record, frozen=True):
    """A command, and the command that undoes it."""

    command: str
    undo: str


class Shell(Protocol):
    """Runs commands."""

    def run(self, command: str) -> None:
        """Run a command.

        Raises:
            HostError: It failed.
        """

    def read(self, command: str) -> tuple[str, str]:
        """The standard output and standard error of a command; its exit code is ignored."""


class Platform(Protocol):
    """An operating system."""

    methods: Sequence[Method]
    """The available methods, the default first."""

    def settings(self, redirect: Redirect) -> list[Setting]:
        """The settings of a redirect, in the order in which they are set.

        Raises:
            OptionsError: The options conflict.
        """

    def installed(self, shell: Shell) -> list[Setting]:
        """The settings of this program that the machine has now, in the order of `settings`."""


def steps_up(installed: Sequence[Setting], wanted: Sequence[Setting]) -> list[Step]:
    """The steps from the installed settings to the wanted ones: first add the missing ones, then remove the others."""
    before = {setting.key: setting for setting in installed}
    missing = [
        Step(setting.up, before[setting.key].up if setting.key in before else setting.down)
        for setting in wanted
        if setting not in installed
    ]
    keys = {setting.key for setting in wanted}
    surplus = [setting for setting in installed if setting.key not in keys]
    return missing + steps_down(surplus)


def steps_down(installed: Sequence[Setting]) -> list[Step]:
    """The steps that remove settings, in the reverse order."""
    return [Step(setting.down, setting.up) for setting in reversed(installed)]


def redirect_of(installed: Sequence[Setting]) -> Redirect | None:
    """The redirect that settings belong to; None without settings."""
    if not installed:
        return None
    parts = [setting.redirect for setting in installed]
    endpoints = tuple(name for name in ADDRESSES if any(name in each.endpoints for each in parts)) or EC2
    return Redirect(parts[0].method, max(each.port for each in parts), any(each.ipv6 for each in parts), endpoints)
