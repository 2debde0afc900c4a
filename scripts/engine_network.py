"""The network that an engine of our own lives in: a namespace with one way out, behind address translation.

The engine's bridges, its rules and its forwarding switch all stay inside and vanish with it. On the machine itself
there are, for the length of a run, one virtual cable and one nft table, both with this project's name and a number that
no other run has. Inside stands a fence: nothing addressed to a metadata service may use the way out, whatever a
container tries. An engine that was there before gets the same fence, as far as we may set one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from netlab import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INSIDE = "uplink0"
_RUNS_AT_ONCE = 64


@dataclass(frozen=True)
class _Cable:
    """Names and addresses of the way out of one engine; a /30 of 10.213.255.0/24 each."""

    number: int

    @property
    def outside(self) -> str:
        return f"imdsengine{self.number}"

    @property
    def table(self) -> str:
        return f"imds_engine{self.number}"

    def address(self, host: int) -> str:
        return f"10.213.255.{4 * self.number + host}"

    def others(self) -> set[str]:
        """The cables of other runs that share this network."""
        return {link.name for link in Path("/sys/class/net").glob("imdsengine*")} - {self.outside}

    @property
    def rules(self) -> str:
        return f"""
table ip {self.table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {self.address(0)}/30 oifname != "{self.outside}" masquerade
  }}
}}
"""


def fence_rules(table: str, uplinks: Sequence[str], hooks: Sequence[str]) -> str:
    """Rules for nft: what takes a way out is never addressed to a metadata service. Bridges are no way out."""
    ways_out = ", ".join(f'"{interface}"' for interface in uplinks)
    chains = [
        f"""
  chain {hook} {{
    type filter hook {hook} priority -150;
    oifname {{ {ways_out} }} ip daddr 169.254.0.0/16 reject
    oifname {{ {ways_out} }} ip6 daddr fd00:ec2::/32 reject
  }}"""
        for hook in hooks
    ]
    return f"table inet {table} {{{''.join(chains)}\n}}\n"


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with a way out through the machine's default route, fenced; taken away at the end."""
    with contextlib.ExitStack() as stack:
        space = Namespace("engine", None)
        stack.callback(space.close)
        space.run(["nft", "-f", "-"], input=fence_rules("imds_fence", [INSIDE], ["forward", "output"]))
        cable = stack.enter_context(_cable_to(space))
        space.ip("address", "add", f"{cable.address(2)}/30", "dev", INSIDE)
        space.ip("link", "set", INSIDE, "up")
        space.ip("route", "add", "default", "via", cable.address(1))
        # A run that was killed leaves its table behind.
        _quiet(["nft", "delete", "table", "ip", cable.table])
        subprocess.run(["nft", "-f", "-"], input=cable.rules, text=True, check=True)
        stack.callback(_quiet, ["nft", "delete", "table", "ip", cable.table])
        for interface in (cable.outside, *_uplinks()):
            stack.enter_context(_forwarding(interface, cable))
        yield space


@contextlib.contextmanager
def _cable_to(space: Namespace) -> Iterator[_Cable]:
    for number in range(_RUNS_AT_ONCE):
        cable = _Cable(number)
        # The kernel decides who has a number: a name can be given once.
        add = ["ip", "link", "add", cable.outside, "type", "veth", "peer", "name", INSIDE, "netns", str(space.pid)]
        made = subprocess.run(add, check=False, capture_output=True, text=True)
        if made.returncode == 0:
            break
        if "File exists" not in made.stderr:
            raise OSError(f"no network can be made for an engine: {made.stderr.strip()}")
    else:
        raise OSError(f"{_RUNS_AT_ONCE} engines of this project run here; end some of them")
    try:
        subprocess.run(["ip", "address", "add", f"{cable.address(1)}/30", "dev", cable.outside], check=True)
        subprocess.run(["ip", "link", "set", cable.outside, "up"], check=True)
        yield cable
    finally:
        _quiet(["ip", "link", "delete", cable.outside])


@contextlib.contextmanager
def fence() -> Iterator[bool]:
    """Fence the machine itself for the length of a run with an engine that is not ours; False if we may not."""
    table = f"imds_fence{os.getpid()}"
    uplinks = _uplinks() if shutil.which("ip") else []
    if os.geteuid() != 0 or shutil.which("nft") is None or not uplinks:
        yield False
        return
    subprocess.run(["nft", "-f", "-"], input=fence_rules(table, uplinks, ["forward"]), text=True, check=True)
    try:
        yield True
    finally:
        _quiet(["nft", "delete", "table", "inet", table])


def _uplinks() -> list[str]:
    routes = subprocess.run(["ip", "-4", "route", "show", "default"], capture_output=True, text=True, check=True).stdout
    words = [line.split() for line in routes.splitlines()]
    return sorted({line[line.index("dev") + 1] for line in words if "dev" in line})


@contextlib.contextmanager
def _forwarding(interface: str, cable: _Cable) -> Iterator[None]:
    # Per interface, since the global switch also changes what a machine accepts from others. The file holds what the
    # first of several runs found; the last one out puts it back. Runs that share the network without the file (in
    # another root directory) are known by their cables.
    switch = Path(f"/proc/sys/net/ipv4/conf/{interface}/forwarding")
    with Path(f"/run/imds-engine-forwarding-{interface}").open("a+") as found:
        if _alone_with(found) and found.tell() == 0:
            found.write(switch.read_text())
            found.flush()
        fcntl.flock(found, fcntl.LOCK_SH)
        switch.write_text("1")
        try:
            yield
        finally:
            if _alone_with(found) and not cable.others():
                found.seek(0)
                with contextlib.suppress(OSError):
                    switch.write_text(found.read())
                found.truncate(0)


def _alone_with(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _quiet(command: list[str]) -> None:
    subprocess.run(command, check=False, capture_output=True)
