"""A machine with a fake shell, for `imds-mock host`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.errors import ProbeError
from imds_mock.host.errors import HostError
from imds_mock.host.linux import Linux
from imds_mock.host.redirect import Host
from imds_mock.host.setting import Redirect

if TYPE_CHECKING:
    from imds_mock.host.setting import Platform
    from imds_mock.host.shell import SystemShell

NO_ANSWER = ProbeError("no answer")
ROUTE = '[{"type":"local","dst":"169.254.169.254","dev":"lo","prefsrc":"127.0.0.1"}]'
DNAT = Redirect("dnat", 1338, ipv6=False)


class FakeShell:
    """Records commands; those that start with `refused` fail."""

    def __init__(self, seen: dict[str, str] | None = None, refused: tuple[str, ...] = ()) -> None:
        self.seen = seen or {}
        self.refused = refused
        self.ran: list[str] = []

    def run(self, command: str) -> None:
        self.ran.append(command)
        if command.startswith(self.refused or ("\0",)):
            raise HostError(f"{command.splitlines()[0]!r} failed: refused")

    def read(self, command: str) -> tuple[str, str]:
        return self.seen.get(command, ""), ""


def machine(
    shell: FakeShell | SystemShell,
    platform: Platform | None = None,
    answer: str | ProbeError = NO_ANSWER,
    firmware: str | None = None,
    asked: list[str] | None = None,
) -> Host:
    """A machine on which a probe is answered by this id or error; `asked` collects the URLs of the probes."""

    def probe(url: str) -> str:
        if asked is not None:
            asked.append(url)
        if isinstance(answer, str):
            return answer
        raise answer

    return Host(platform or Linux(), shell, probe, lambda: firmware)


def beginnings(commands: list[str]) -> list[str]:
    """The first four words of each command."""
    return [" ".join(line.split()[:4]) for line in (text.splitlines()[0] for text in commands)]


ALL = ("ec2", "ecs", "eks")
