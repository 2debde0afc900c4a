"""The network of a temporary engine: a namespace with one uplink behind NAT.

The engine's bridges, rules and forwarding setting are in the namespace and disappear with it. On the machine itself a
run adds one veth pair and one nft table, with this project's name and a number of their own. A fence in the namespace
rejects every packet for a metadata service on the uplink. The machine's own engine gets the same fence, if we may set
one.
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
    """Names and addresses of one engine's uplink, which uses a /30 of 10.213.255.0/24."""

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
        """The uplinks of other runs on this machine."""
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
    """Rules for nft that reject packets for a metadata service on the uplinks."""
    uplink_set = ", ".join(f'"{interface}"' for interface in uplinks)
    chains = [
        f"""
  chain {hook} {{
    type filter hook {hook} priority -150;
    oifname {{ {uplink_set} }} ip daddr 169.254.0.0/16 reject
    oifname {{ {uplink_set} }} ip6 daddr fd00:ec2::/32 reject
  }}"""
        for hook in hooks
    ]
    return f"table inet {table} {{{''.join(chains)}\n}}\n"


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """A fenced namespace with an uplink through the machine's default route, removed when the block ends."""
    with contextlib.ExitStack() as stack:
        space = Namespace("engine", None)
        stack.callback(space.close)
        space.run(["nft", "-f", "-"], input=fence_rules("imds_fence", [INSIDE], ["forward", "output"]))
        cable = stack.enter_context(_cable_to(space))
        space.ip("address", "add", f"{cable.address(2)}/30", "dev", INSIDE)
        space.ip("link", "set", INSIDE, "up")
        space.ip("route", "add", "default", "via", cable.address(1))
        # A killed run leaves its table behind.
        _quiet(["nft", "delete", "table", "ip", cable.table])
        subprocess.run(["nft", "-f", "-"], input=cable.rules, text=True, check=True)
        stack.callback(_quiet, ["nft", "delete", "table", "ip", cable.table])
        for interface in (cable.outside, *_uplinks()):
            stack.enter_context(_forwarding(interface, cable))
        yield space


def address(space: Namespace) -> str:
    """The IPv4 address of a namespace's uplink: where the machine reaches the ports that its engine publishes."""
    words = space.ip("-4", "-oneline", "address", "show", "dev", INSIDE).split()
    return words[words.index("inet") + 1].partition("/")[0]


@contextlib.contextmanager
def _cable_to(space: Namespace) -> Iterator[_Cable]:
    for number in range(_RUNS_AT_ONCE):
        cable = _Cable(number)
        # The kernel accepts each name once, so a number belongs to one run.
        add = ["ip", "link", "add", cable.outside, "type", "veth", "peer", "name", INSIDE, "netns", str(space.pid)]
        made = subprocess.run(add, check=False, capture_output=True, text=True)
        if made.returncode == 0:
            break
        if "File exists" not in made.stderr:
            raise OSError(f"cannot create the engine's network: {made.stderr.strip()}")
    else:
        raise OSError(f"{_RUNS_AT_ONCE} engines of this project are running, which is the limit; end some of them")
    try:
        subprocess.run(["ip", "address", "add", f"{cable.address(1)}/30", "dev", cable.outside], check=True)
        subprocess.run(["ip", "link", "set", cable.outside, "up"], check=True)
        yield cable
    finally:
        _quiet(["ip", "link", "delete", cable.outside])


@contextlib.contextmanager
def fence() -> Iterator[bool]:
    """Fence the machine's own engine until the block ends; yields False if that is not permitted."""
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
    # Per interface, because the global setting also changes which packets the machine accepts. The file contains the
    # value that the first of several runs found; the last run restores it. Runs with another root directory do not
    # share the file, but their uplinks show that they are running.
    switch = Path(f"/proc/sys/net/ipv4/conf/{interface}/forwarding")
    with Path(f"/run/imds-engine-forwarding-{interface}").open("a+") as found:
        with _no_other_change():
            if _has_only_user(found) and os.fstat(found.fileno()).st_size == 0:
                found.write(switch.read_text())
                found.flush()
            fcntl.flock(found, fcntl.LOCK_SH)
            switch.write_text("1")
        try:
            yield
        finally:
            with _no_other_change():
                if _has_only_user(found) and not cable.others():
                    found.seek(0)
                    with contextlib.suppress(OSError):
                        switch.write_text(found.read())
                    found.truncate(0)
                fcntl.flock(found, fcntl.LOCK_UN)


@contextlib.contextmanager
def _no_other_change() -> Iterator[None]:
    """Keep a run from starting while another one, which has seen that it is the last, restores the setting."""
    with Path("/run/imds-engine-forwarding.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _has_only_user(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _quiet(command: list[str]) -> None:
    subprocess.run(command, check=False, capture_output=True)
