"""The network that an engine of our own lives in: a namespace with one way out, behind address translation.

The engine's bridges, its rules and its forwarding switch all stay inside and vanish with it. On the machine itself
there are, for the length of a run, one virtual cable and one nft table, both with this project's name. Inside stands a
fence: nothing addressed to a metadata service may use the way out, whatever a container tries.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from netlab import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE, INSIDE = "imdsengine0", "uplink0"
OUTSIDE_ADDRESS, INSIDE_ADDRESS, NETWORK = "10.213.255.1", "10.213.255.2", "10.213.255.0/30"
TABLE = "imds_engine"

_OUTSIDE_RULES = f"""
table ip {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {NETWORK} oifname != "{OUTSIDE}" masquerade
  }}
}}
"""
_FENCE = f"""
table inet imds_fence {{
  chain forward {{
    type filter hook forward priority -150;
    oifname "{INSIDE}" ip daddr 169.254.0.0/16 reject
    oifname "{INSIDE}" ip6 daddr fd00:ec2::/32 reject
  }}
  chain output {{
    type filter hook output priority -150;
    oifname "{INSIDE}" ip daddr 169.254.0.0/16 reject
    oifname "{INSIDE}" ip6 daddr fd00:ec2::/32 reject
  }}
}}
"""


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with a way out through the machine's default route, fenced; taken away at the end."""
    with contextlib.ExitStack() as stack:
        space = Namespace("engine", None)
        stack.callback(space.close)
        _quiet(["nft", "delete", "table", "ip", TABLE])
        _quiet(["ip", "link", "delete", OUTSIDE])
        _run(["ip", "link", "add", OUTSIDE, "type", "veth", "peer", "name", INSIDE, "netns", str(space.pid)])
        stack.callback(_quiet, ["ip", "link", "delete", OUTSIDE])
        _run(["ip", "address", "add", f"{OUTSIDE_ADDRESS}/30", "dev", OUTSIDE])
        _run(["ip", "link", "set", OUTSIDE, "up"])
        space.run(["nft", "-f", "-"], input=_FENCE)
        space.ip("address", "add", f"{INSIDE_ADDRESS}/30", "dev", INSIDE)
        space.ip("link", "set", INSIDE, "up")
        space.ip("route", "add", "default", "via", OUTSIDE_ADDRESS)
        subprocess.run(["nft", "-f", "-"], input=_OUTSIDE_RULES, text=True, check=True)
        stack.callback(_quiet, ["nft", "delete", "table", "ip", TABLE])
        for interface in (OUTSIDE, *_uplinks()):
            stack.enter_context(_forwarding(interface))
        yield space


def _uplinks() -> list[str]:
    routes = subprocess.run(["ip", "-4", "route", "show", "default"], capture_output=True, text=True, check=True).stdout
    words = [line.split() for line in routes.splitlines()]
    return sorted({line[line.index("dev") + 1] for line in words if "dev" in line})


@contextlib.contextmanager
def _forwarding(interface: str) -> Iterator[None]:
    # Per interface, since the global switch also changes what a machine accepts from others.
    switch = Path(f"/proc/sys/net/ipv4/conf/{interface}/forwarding")
    before = switch.read_text()
    switch.write_text("1")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            switch.write_text(before)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _quiet(command: list[str]) -> None:
    subprocess.run(command, check=False, capture_output=True)
