"""The fence around the engine: no packet for a metadata service leaves, and no other packet is rejected."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from engine_network import fence_rules
from netlab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netlab import Namespace

PORT = "8080"
FENCED = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"]
OPEN = ["198.51.100.7", "2001:db8::7"]
ANSWERED, REFUSED = 0, 7  # curl's exit codes


class Site:
    """An application behind a router, and a host with all these addresses behind the router's uplink."""

    def __init__(self, lab: Lab) -> None:
        self.application, self.router, self.host = map(lab.namespace, ("application", "router", "host"))
        lab.link(self.router, self.application, ["10.1.0.1/24", "fd01::1/64"], ["10.1.0.2/24", "fd01::2/64"])
        outside = lab.link(self.router, self.host, ["10.2.0.1/24", "fd02::1/64"], ["10.2.0.2/24", "fd02::2/64"])
        self.uplink = outside[0]
        self._routes("default", self.application, "10.1.0.1", "fd01::1")
        self._routes("default", self.router, "10.2.0.2", "fd02::2")
        self._routes("default", self.host, "10.2.0.1", "fd02::1")
        for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self.router.set_kernel(switch, 1)
        for address in (*FENCED, *OPEN):
            hold(self.host, address)

    def _routes(self, target: str, space: Namespace, *gateways: str) -> None:
        for gateway in gateways:
            space.ip("-6" if ":" in gateway else "-4", "route", "replace", target, "via", gateway)

    def fence(self) -> None:
        self.router.run(["nft", "-f", "-"], input=fence_rules("fence", [self.uplink], ["forward", "output"]))


def hold(space: Namespace, address: str) -> None:
    space.ip("address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))


@pytest.fixture
def site() -> Iterator[Site]:
    with Lab() as lab:
        made = Site(lab)
        servers = [serve(made.host), serve(made.application)]
        try:
            yield made
        finally:
            for server in servers:
                server.kill()
                server.communicate()


def serve(space: Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "::", PORT]
    server = space.popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdout
    assert "Serving" in server.stdout.readline()
    return server


def ask(space: Namespace, address: str) -> int:
    host = f"[{address}]" if ":" in address else address
    command = ["curl", "--silent", "--globoff", "--output", "/dev/null", "--max-time", "30", f"http://{host}:{PORT}/"]
    return space.run(command, check=False).returncode


def test_without_the_fence_everything_is_in_reach(site: Site) -> None:
    for address in (*FENCED, *OPEN):
        assert (address, ask(site.application, address)) == (address, ANSWERED)


def test_behind_the_fence_a_metadata_service_is_refused_at_once_and_nothing_else(site: Site) -> None:
    site.fence()
    for space in (site.application, site.router):
        for address in FENCED:
            assert (address, ask(space, address)) == (address, REFUSED)
        for address in OPEN:
            assert (address, ask(space, address)) == (address, ANSWERED)


def test_what_does_not_take_the_way_out_is_not_concerned(site: Site) -> None:
    site.fence()
    for address, gateway in (("169.254.169.254", "10.1.0.2"), ("fd00:ec2::254", "fd01::2")):
        hold(site.application, address)
        site.router.ip("-6" if ":" in address else "-4", "route", "add", address, "via", gateway)
        assert (address, ask(site.router, address)) == (address, ANSWERED)
