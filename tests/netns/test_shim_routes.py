"""Routes on the real kernel: the cases in which the rule alone fails, and other programs' routes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from support.shimlab import APP, IMDS, MOCK, ShimLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOK_UP = """
import sys
from ipaddress import ip_address
from imds_shim.nat.rtnetlink import link_name, look_up_route
for address in sys.argv[1:]:
    routed = look_up_route(ip_address(address))
    print(routed.next_hop, link_name(routed.link) if routed.link else "-", sep=" dev ")
"""
RULE = """
import sys
from ipaddress import ip_address
from imds_shim.nat.backend import open_tables
from imds_shim.nat.rule import DnatRule, ensure
ensure(open_tables(sys.argv[3]), DnatRule(ip_address(sys.argv[1]), 80, ip_address(sys.argv[2]), 80))
"""
ENSURE_ROUTE = """
import sys
from ipaddress import ip_address
from imds_shim.nat.route import ensure_route
print(ensure_route(ip_address(sys.argv[1]), ip_address(sys.argv[2]), on_link="on-link" in sys.argv))
"""
UNDO = """
import sys
from ipaddress import ip_address
from imds_shim.nat.route import ensure_route, own_routes, restore
before = own_routes(ip_address(sys.argv[1]))
for mock in sys.argv[2:]:
    made = ensure_route(ip_address(sys.argv[1]), ip_address(mock))
print(made)
restore(ip_address(sys.argv[1]), before)
"""
CURL = ("curl", "-sS", "--max-time", "30", f"http://{IMDS}/")
TIMES_OUT = ("curl", "-sS", "--max-time", "2", f"http://{IMDS}/")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    with ShimLab(tmp_path) as made:
        yield made


@pytest.fixture
def two_networks(lab: ShimLab) -> ShimLab:
    """The application's default route leads to a network without the mock; its router drops foreign packets."""
    router = lab.lab.namespace("router")
    lab.lab.link(lab.app, router, ["10.66.0.2/24"], ["10.66.0.1/24"])
    lab.app.ip("route", "replace", "default", "via", "10.66.0.1")
    lab.serve()
    return lab


def test_routes_are_looked_up_in_the_kernel(lab: ShimLab) -> None:
    lab.app.ip("address", "add", "169.254.7.7/16", "dev", lab.links[0])
    link = lab.links[0]
    printed = lab.python(LOOK_UP, "8.8.8.8", MOCK, APP, "127.0.0.1", "169.254.169.254", "fd00:ec2::254", "::1")
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
        assert lab.python(LOOK_UP, IMDS) == "no route dev -\n"


ON_LINK = """
import sys
from ipaddress import ip_address
from imds_shim.kernel import RealKernel
kernel = RealKernel()
for address in map(ip_address, sys.argv[1:]):
    print(kernel.is_on_link(address), kernel.is_on_link(address, ignore_own_route=True))
"""


def test_the_shims_route_does_not_show_where_an_endpoint_is(two_networks: ShimLab) -> None:
    """After an earlier start the endpoint is on-link; `auto` must not probe it for that reason."""
    lab = two_networks
    lab.app.ip("address", "add", "169.254.170.2/32", "dev", "lo")
    addresses = (IMDS, MOCK, "169.254.170.2")
    assert lab.python(ON_LINK, *addresses).splitlines() == ["False False", "True True", "True True"]
    lab.python(ENSURE_ROUTE, IMDS, MOCK)
    assert lab.python(ON_LINK, *addresses).splitlines() == ["True False", "True True", "True True"]


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_on_two_networks_the_rule_alone_fails(two_networks: ShimLab, backend: str) -> None:
    two_networks.python(RULE, IMDS, MOCK, backend)
    done = two_networks.app.run(TIMES_OUT, check=False)
    assert (done.returncode, done.stdout) == (28, ""), "curl's 28 is a time-out"
    assert two_networks.python(ENSURE_ROUTE, IMDS, MOCK) == f"route {IMDS}/32 dev {two_networks.links[0]}\n"
    assert two_networks.app.run(CURL).stdout == "first"


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_without_a_default_route_the_rule_alone_fails(lab: ShimLab, backend: str) -> None:
    lab.serve()
    lab.app.ip("route", "del", "default")
    lab.python(RULE, IMDS, MOCK, backend)
    done = lab.app.run(CURL, check=False)
    assert done.returncode == 7, "curl's 7 is a failed connect"
    lab.python(ENSURE_ROUTE, IMDS, MOCK)
    assert lab.app.run(CURL).stdout == "first"


@pytest.mark.parametrize("settings", [{}, {"MOCK_ROUTE": "nat"}, {"MOCK_BACKEND": "nft"}])
def test_the_shim_works_on_two_networks(two_networks: ShimLab, settings: dict[str, str]) -> None:
    done = two_networks.shim(*CURL, **settings)
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert f"added route {IMDS}/32 dev {two_networks.links[0]}, so that" in done.stderr
    again = two_networks.shim(*CURL, **settings)
    assert (again.returncode, again.stdout) == (0, "first"), again.stderr
    assert "removed 1 rule and 1 route" in two_networks.shim("--remove").stderr
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


def test_an_endpoint_address_of_the_namespace_itself_needs_no_route(lab: ShimLab) -> None:
    """The local table precedes the shim's route, which would have no effect."""
    lab.app.ip("address", "add", f"{IMDS}/32", "dev", "lo")
    lab.serve(APP, where=lab.app)
    done = lab.shim(*CURL, MOCK_HOSTNAME=APP, MOCK_ROUTE="nat")
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert "proto 169" not in lab.app.ip("route")


@pytest.mark.parametrize("settings", [{}, {"MOCK_BACKEND": "nft"}])
def test_a_link_local_address_is_not_the_source_address(lab: ShimLab, settings: dict[str, str]) -> None:
    """169.254.0.0/16 is then on-link, but the mock has no route back; also after the mock has moved."""
    lab.app.ip("address", "add", "169.254.7.7/16", "dev", lab.links[0])
    lab.serve()
    lab.python(RULE, IMDS, MOCK, "nft")
    assert lab.app.run(TIMES_OUT, check=False).returncode == 28, "curl's 28 is a time-out"
    done = lab.shim(*CURL, **settings)
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert f"{IMDS} dev {lab.links[0]} proto 169 scope link src {APP}" in lab.app.ip("route")
    assert lab.shim("no-such-command", **settings).returncode == 127
    assert lab.app.run(CURL).stdout == "first"
    assert "removed 1 rule and 1 route" in lab.shim("--remove").stderr


def test_an_ordinary_network_needs_no_route(lab: ShimLab) -> None:
    lab.serve()
    assert lab.shim(*CURL).stdout == "first"
    assert IMDS not in lab.app.ip("route")


def test_a_failed_start_removes_its_route_and_keeps_an_earlier_one(two_networks: ShimLab) -> None:
    assert two_networks.shim("no-such-command").returncode == 127
    assert IMDS not in two_networks.app.ip("route")
    two_networks.shim("true")
    before = two_networks.app.ip("route")
    assert IMDS in before
    assert two_networks.shim("no-such-command").returncode == 127
    assert two_networks.app.ip("route") == before


def test_the_shims_route_follows_the_mock(two_networks: ShimLab) -> None:
    lab = two_networks
    lab.python(ENSURE_ROUTE, IMDS, MOCK)
    lab.app.ip("route", "del", "default")
    printed = lab.python(UNDO, IMDS, "10.66.0.1")
    assert printed.startswith(f"route {IMDS}/32 dev ")
    assert lab.links[0] not in printed
    assert f"{IMDS} dev {lab.links[0]} proto 169" in lab.app.ip("route")


def test_a_route_of_another_program_is_neither_replaced_nor_removed(two_networks: ShimLab) -> None:
    lab = two_networks
    lab.app.ip("route", "add", f"{IMDS}/32", "via", "10.66.0.1")
    before = lab.app.ip("route")
    done = lab.shim("true")
    assert done.returncode == 71
    assert f"the route {IMDS}/32 via 10.66.0.1 dev " in done.stderr
    assert lab.app.ip("route") == before
    assert "removed 0 rules and 0 routes" in lab.shim("--remove").stderr
    assert lab.app.ip("route") == before


REFUSALS = ("blackhole", "unreachable", "prohibit")
V6 = "fd00:ec2::254"
CURL_6 = ("curl", "-gsS", "--max-time", "30", f"http://[{V6}]/")


@pytest.fixture
def both(lab: ShimLab) -> ShimLab:
    """A mock with addresses of both IP versions."""
    lab.app.ip("address", "add", "fd77::2/64", "dev", lab.links[0], "nodad")
    lab.mock.ip("address", "add", "fd77::1/64", "dev", lab.links[1], "nodad")
    lab.name("mock", MOCK, "fd77::1")
    lab.serve()
    lab.serve("fd77::1")
    return lab


ALL_ROUTES = ("route", "show", "table", "all")


def routes(lab: ShimLab) -> str:
    """Return the policy rules and all routes of both IP versions, without those that the kernel adds for addresses."""
    listed = [lab.app.ip(version, *words) for version in ("-4", "-6") for words in (ALL_ROUTES, ("rule",))]
    return "\n".join(line for line in "".join(listed).splitlines() if "proto kernel" not in line)


@pytest.mark.parametrize(
    ("backend", "kind", "metric"),
    [
        ("legacy", "blackhole", ()),
        ("legacy", "unreachable", ("metric", "7")),
        ("nft", "prohibit", ()),
        ("nft", "blackhole", ("metric", "2")),
    ],
)
def test_the_shims_route_precedes_one_that_refuses_packets(
    both: ShimLab, backend: str, kind: str, metric: tuple[str, ...]
) -> None:
    both.app.ip("route", "add", kind, f"{IMDS}/32", *metric)
    both.app.ip("-6", "route", "add", kind, V6, *metric)
    before = routes(both)
    for _ in range(2):
        done = both.shim(*CURL_6, MOCK_BACKEND=backend, MOCK_IPV6="1")
        assert (done.returncode, done.stdout) == (0, "first"), done.stderr
        assert both.app.run(CURL).stdout == "first"
        assert routes(both).count("proto 169") == 2
        assert both.shim("no-such-command", MOCK_BACKEND=backend, MOCK_IPV6="1").returncode == 127
        assert routes(both).count("proto 169") == 2
    assert "removed 2 rules and 2 routes" in both.shim("--remove").stderr
    assert routes(both) == before
    assert both.shim("no-such-command", MOCK_BACKEND=backend, MOCK_IPV6="1").returncode == 127
    assert routes(both) == before


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_mock_that_holds_the_address_is_reached_despite_a_route_that_refuses_packets(lab: ShimLab, kind: str) -> None:
    lab.mock.ip("address", "add", f"{IMDS}/32", "dev", lab.links[1])
    lab.serve("0.0.0.0", "itself")  # noqa: S104 - of a namespace without a way out
    lab.app.ip("route", "add", kind, f"{IMDS}/32")
    done = lab.shim(*CURL, MOCK_ROUTE="route")
    assert (done.returncode, done.stdout) == (0, "itself"), done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (f"route add prohibit {IMDS}/32", f"because the route prohibit {IMDS}/32 refuses packets to it"),
        (f"rule add to {IMDS} unreachable pref 8", "because the policy rule 8 (unreachable) refuses packets to it"),
    ],
)
def test_what_refuses_packets_is_named_in_none_mode(lab: ShimLab, words: str, named: str) -> None:
    lab.serve()
    lab.app.ip(*words.split())
    done = lab.shim("true", MOCK_ROUTE="none", MOCK_TIMEOUT_SECONDS="4")
    assert done.returncode == 70
    assert named in done.stderr


def test_a_route_that_was_prepended_later_is_preceded_again(lab: ShimLab) -> None:
    lab.serve()
    lab.app.ip("route", "add", "blackhole", f"{IMDS}/32")
    assert lab.shim(*CURL).stdout == "first"
    lab.app.ip("route", "prepend", "prohibit", f"{IMDS}/32")
    done = lab.shim(*CURL)
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert lab.app.ip("route").count("proto 169") == 1


@pytest.mark.parametrize(
    ("address", "words", "named"),
    [
        (V6, "-6 route add prohibit {} metric 1", "the route prohibit {}/128 metric 1 of another program"),
        (IMDS, "route add blackhole {} table local", "the route blackhole {}/32 table local takes precedence"),
        (IMDS, "rule add to {} blackhole pref 100", "the policy rule 100 (blackhole) takes precedence"),
        (IMDS, "rule add not to 10.0.0.0/8 prohibit pref 7", "the policy rule 7 (prohibit) takes precedence"),
        (IMDS, "rule add to {} uidrange 0-0 unreachable pref 9", "the policy rule 9 (unreachable) takes precedence"),
        (IMDS, "rule add to {} ipproto tcp dport 80 prohibit pref 9", "the policy rule 9 (prohibit) takes precedence"),
        (V6, "-6 rule add to {} prohibit pref 100", "the policy rule 100 (prohibit) takes precedence"),
        (
            IMDS,
            "rule add to {} lookup 77 pref 100; route add unreachable 169.254.0.0/16 table 77",
            "the route unreachable 169.254.0.0/16 table 77 (policy rule 100) takes precedence",
        ),
        (
            V6,
            "-6 rule add to fd00:ec2::/32 lookup 77 pref 5; -6 route add blackhole default table 77",
            "the route blackhole default metric 1024 table 77 (policy rule 5) takes precedence",
        ),
    ],
)
def test_what_the_shims_route_cannot_precede_is_named(both: ShimLab, address: str, words: str, named: str) -> None:
    for line in words.format(address).split("; "):
        both.app.ip(*line.split())
    before = routes(both)
    done = both.shim("true", MOCK_IPV6="1")
    assert (done.returncode, done.stdout) == (71, ""), done.stderr
    assert named.format(address) in done.stderr.splitlines()[-1]
    assert "MOCK_ROUTE=none" not in done.stderr
    assert routes(both) == before
    assert "imds" not in both.tool("nft", "list", "ruleset") + both.tool("iptables-legacy-save")
    assert named.format(address).removesuffix(" takes precedence") in both.shim("--doctor", MOCK_IPV6="1").stdout


def test_policy_rules_that_do_not_match_are_not_named(both: ShimLab) -> None:
    """Rules for another mark, source, protocol or user; a table without the address; a suppressed default route."""
    for words in (
        "fwmark 1 blackhole",
        "from 10.5.5.5 blackhole",
        "to 169.254.169.254 ipproto udp blackhole",
        "uidrange 5-6 blackhole",
        "to 169.254.169.254 dport 443 blackhole",
        "sport 80 blackhole",
        "iif eth9 blackhole",
        "oif eth9 blackhole",
        "to 169.254.169.254 lookup 88",
        "lookup main suppress_prefixlength 0",
    ):
        both.app.ip("rule", "add", *words.split(), "pref", "50")
    both.app.ip("route", "add", "blackhole", f"{IMDS}/32")
    both.app.ip("rule", "add", "to", IMDS, "prohibit", "pref", "90")
    before = routes(both)
    done = both.shim(*CURL, MOCK_IPV6="0")
    # The rule that suppresses default routes uses the main table, before the rule that prohibits.
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    both.shim("--remove")
    assert routes(both) == before


def test_a_policy_rule_to_another_interface_is_named(two_networks: ShimLab) -> None:
    lab = two_networks
    lab.app.ip("route", "add", "default", "via", "10.66.0.1", "table", "51820")
    lab.app.ip("rule", "add", "to", "169.254.0.0/16", "lookup", "51820", "pref", "40")
    before = routes(lab)
    done = lab.shim("true", MOCK_TIMEOUT_SECONDS="4")
    assert done.returncode == 70
    assert "because the route default via 10.66.0.1 dev " in done.stderr
    assert "table 51820 (policy rule 40) takes precedence" in done.stderr
    assert routes(lab) == before


@pytest.mark.parametrize("user", ["1000", ""])
def test_a_policy_rule_for_the_commands_user_is_named(lab: ShimLab, user: str) -> None:
    """The shim verifies the route as root, which the rule does not match."""
    lab.serve()
    lab.app.ip("rule", "add", "to", IMDS, "uidrange", "1000-1000", "prohibit", "pref", "9")
    done = lab.shim("true", MOCK_USER=user)
    assert done.returncode == 0, done.stderr
    sentence = f"user 1000 may not reach the mock at {IMDS}, because a policy rule gives this user another route"
    assert (sentence in done.stderr, "no route (the policy rule 9 (prohibit))" in done.stderr) == (bool(user),) * 2


def test_the_mock_holds_the_address_itself(lab: ShimLab) -> None:
    """MOCK_ROUTE=route sets no rule, and replaces a route by a gateway on the same interface."""
    lab.mock.ip("address", "add", f"{IMDS}/32", "dev", lab.links[1])
    lab.serve("0.0.0.0", "itself")  # noqa: S104 - of a namespace without a way out
    done = lab.shim(*CURL, MOCK_ROUTE="route")
    assert (done.returncode, done.stdout) == (0, "itself"), done.stderr
    assert "imds-shim" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert f"{IMDS} dev {lab.links[0]} proto 169" in lab.app.ip("route")


def test_the_ipv6_endpoint_gets_a_route_and_a_rule(lab: ShimLab) -> None:
    lab.app.ip("address", "add", "fd77::2/64", "dev", lab.links[0], "nodad")
    lab.mock.ip("address", "add", "fd77::1/64", "dev", lab.links[1], "nodad")
    lab.name("mock", MOCK, "fd77::1")
    lab.serve()
    lab.serve("fd77::1")
    for backend in ("legacy", "nft"):
        done = lab.shim(
            "curl", "-sS", "--max-time", "30", "http://[fd00:ec2::254]/", MOCK_IPV6="1", MOCK_BACKEND=backend
        )
        assert (done.returncode, done.stdout) == (0, "first"), done.stderr
        assert f"fd00:ec2::254 dev {lab.links[0]} proto 169" in lab.app.ip("-6", "route")
        assert "removed 2 rules and 1 route" in lab.shim("--remove").stderr
        assert str(ip_address("fd00:ec2::254")) not in lab.app.ip("-6", "route")
