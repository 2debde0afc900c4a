"""Routes on the real kernel: the two cases in which the rule alone fails, and that nobody else's route is touched."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from shimlab import APP, IMDS, MOCK, ShimLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOW = """
import sys
from ipaddress import ip_address
from imds_shim.route import how_routed
for address in sys.argv[1:]:
    routed = how_routed(ip_address(address))
    print(routed.way.value, routed.interface if routed.link else "-", sep=" dev ")
"""
RULE = """
import sys
from ipaddress import ip_address
from imds_shim.netfilter import open_tables
from imds_shim.rule import DnatRule, ensure
ensure(open_tables(sys.argv[3]), DnatRule(ip_address(sys.argv[1]), 80, ip_address(sys.argv[2]), 80))
"""
LEAD = """
import sys
from ipaddress import ip_address
from imds_shim.route import lead
print(lead(ip_address(sys.argv[1]), ip_address(sys.argv[2]), on_link="on-link" in sys.argv))
"""
UNDO = """
import sys
from ipaddress import ip_address
from imds_shim.route import lead
for mock in sys.argv[2:]:
    made = lead(ip_address(sys.argv[1]), ip_address(mock))
print(made)
made.undo()
"""
CURL = ("curl", "-sS", "--max-time", "2", f"http://{IMDS}/")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    with ShimLab(tmp_path) as made:
        yield made


@pytest.fixture
def two_networks(lab: ShimLab) -> ShimLab:
    """The application's default route leads to a network without the mock, whose router drops what is not its own."""
    router = lab.lab.namespace("router")
    lab.lab.link(lab.app, router, ["10.66.0.2/24"], ["10.66.0.1/24"])
    lab.app.ip("route", "replace", "default", "via", "10.66.0.1")
    lab.serve()
    return lab


def test_the_kernel_is_asked_how_an_address_leaves(lab: ShimLab) -> None:
    lab.app.ip("address", "add", "169.254.7.7/16", "dev", lab.links[0])
    link = lab.links[0]
    printed = lab.python(HOW, "8.8.8.8", MOCK, APP, "127.0.0.1", "169.254.169.254", "fd00:ec2::254", "::1")
    assert printed.splitlines() == [
        f"via a gateway dev {link}",
        f"on-link dev {link}",
        "local dev lo",
        "local dev lo",
        f"on-link dev {link}",
        "no route dev -",
        "local dev lo",
    ]


def test_a_forbidden_address_has_no_route(lab: ShimLab) -> None:
    for kind in ("unreachable", "blackhole", "prohibit"):
        lab.app.ip("route", "replace", kind, f"{IMDS}/32")
        assert lab.python(HOW, IMDS) == "no route dev -\n"


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_on_two_networks_the_rule_alone_fails(two_networks: ShimLab, backend: str) -> None:
    two_networks.python(RULE, IMDS, MOCK, backend)
    done = two_networks.app.run(CURL, check=False)
    assert (done.returncode, done.stdout) == (28, ""), "curl's 28 is a time-out"
    assert two_networks.python(LEAD, IMDS, MOCK) == f"route {IMDS}/32 dev {two_networks.links[0]}\n"
    assert two_networks.app.run(CURL).stdout == "first"


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_without_a_default_route_the_rule_alone_fails(lab: ShimLab, backend: str) -> None:
    lab.serve()
    lab.app.ip("route", "del", "default")
    lab.python(RULE, IMDS, MOCK, backend)
    done = lab.app.run(CURL, check=False)
    assert done.returncode == 7, "curl's 7 is a failed connect"
    lab.python(LEAD, IMDS, MOCK)
    assert lab.app.run(CURL).stdout == "first"


@pytest.mark.parametrize("settings", [{}, {"MOCK_ROUTE": "nat"}, {"MOCK_BACKEND": "nft"}])
def test_the_shim_works_on_two_networks(two_networks: ShimLab, settings: dict[str, str]) -> None:
    done = two_networks.shim(*CURL, **settings)
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert f"route {IMDS}/32 dev {two_networks.links[0]} set" in done.stderr
    again = two_networks.shim(*CURL, **settings)
    assert (again.returncode, again.stdout) == (0, "first"), again.stderr
    assert "1 rules and 1 routes removed" in two_networks.shim("--remove").stderr
    assert IMDS not in two_networks.app.ip("route")


def test_the_shim_works_without_a_default_route(lab: ShimLab) -> None:
    lab.serve()
    lab.app.ip("route", "del", "default")
    done = lab.shim(*CURL)
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert f"{IMDS} dev {lab.links[0]} proto 169 scope link" in lab.app.ip("route")


def test_the_shim_works_without_a_default_route_when_the_mock_is_in_the_same_namespace(lab: ShimLab) -> None:
    lab.serve("127.0.0.1", where=lab.app)
    lab.app.ip("route", "del", "default")
    done = lab.shim(*CURL, MOCK_HOSTNAME="127.0.0.1")
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr


@pytest.mark.parametrize("settings", [{}, {"MOCK_BACKEND": "nft"}])
def test_a_link_local_address_of_the_applications_is_not_what_the_mock_is_asked_from(
    lab: ShimLab, settings: dict[str, str]
) -> None:
    """169.254.0.0/16 is on-link then, but the mock has no way back there; and the same after the mock has moved."""
    lab.app.ip("address", "add", "169.254.7.7/16", "dev", lab.links[0])
    lab.serve()
    lab.python(RULE, IMDS, MOCK, "nft")
    assert lab.app.run(CURL, check=False).returncode == 28, "curl's 28 is a time-out"
    done = lab.shim(*CURL, **settings)
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert f"{IMDS} dev {lab.links[0]} proto 169 scope link src {APP}" in lab.app.ip("route")
    assert lab.shim("no-such-command", **settings).returncode == 127
    assert lab.app.run(CURL).stdout == "first"
    assert "1 rules and 1 routes removed" in lab.shim("--remove").stderr


def test_an_ordinary_network_needs_no_route(lab: ShimLab) -> None:
    lab.serve()
    assert lab.shim(*CURL).stdout == "first"
    assert IMDS not in lab.app.ip("route")


def test_a_failed_start_takes_its_route_away_and_leaves_an_earlier_one(two_networks: ShimLab) -> None:
    assert two_networks.shim("no-such-command").returncode == 127
    assert IMDS not in two_networks.app.ip("route")
    two_networks.shim("true")
    before = two_networks.app.ip("route")
    assert IMDS in before
    assert two_networks.shim("no-such-command").returncode == 127
    assert two_networks.app.ip("route") == before


def test_a_route_of_ours_moves_with_the_mock_and_back(two_networks: ShimLab) -> None:
    lab = two_networks
    lab.python(LEAD, IMDS, MOCK)
    lab.app.ip("route", "del", "default")
    printed = lab.python(UNDO, IMDS, "10.66.0.1")
    assert printed.startswith(f"route {IMDS}/32 dev ")
    assert lab.links[0] not in printed
    assert f"{IMDS} dev {lab.links[0]} proto 169" in lab.app.ip("route")


def test_somebody_elses_route_is_neither_replaced_nor_removed(two_networks: ShimLab) -> None:
    lab = two_networks
    lab.app.ip("route", "add", f"{IMDS}/32", "via", "10.66.0.1")
    before = lab.app.ip("route")
    done = lab.shim("true")
    assert done.returncode == 71
    assert "somebody else's route" in done.stderr
    assert lab.app.ip("route") == before
    assert "0 rules and 0 routes removed" in lab.shim("--remove").stderr
    assert lab.app.ip("route") == before


def test_the_mock_holds_the_address_itself(lab: ShimLab) -> None:
    """MOCK_ROUTE=route: no rule at all; a gateway on the same interface would not do."""
    lab.mock.ip("address", "add", f"{IMDS}/32", "dev", lab.links[1])
    lab.serve("0.0.0.0", "itself")  # noqa: S104 - of a namespace without a way out
    done = lab.shim(*CURL, MOCK_ROUTE="route")
    assert (done.returncode, done.stdout) == (0, "itself"), done.stderr
    assert "imds-shim" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert f"{IMDS} dev {lab.links[0]} proto 169" in lab.app.ip("route")


def test_the_ipv6_endpoint_gets_its_route_and_rule(lab: ShimLab) -> None:
    lab.app.ip("address", "add", "fd77::2/64", "dev", lab.links[0], "nodad")
    lab.mock.ip("address", "add", "fd77::1/64", "dev", lab.links[1], "nodad")
    lab.name("mock", MOCK, "fd77::1")
    lab.serve()
    lab.serve("fd77::1")
    for backend in ("legacy", "nft"):
        done = lab.shim(
            "curl", "-sS", "--max-time", "2", "http://[fd00:ec2::254]/", MOCK_IPV6="1", MOCK_BACKEND=backend
        )
        assert (done.returncode, done.stdout) == (0, "first"), done.stderr
        assert f"fd00:ec2::254 dev {lab.links[0]} proto 169" in lab.app.ip("-6", "route")
        assert "2 rules and 1 routes removed" in lab.shim("--remove").stderr
        assert str(ip_address("fd00:ec2::254")) not in lab.app.ip("-6", "route")
