"""MOCK_ENDPOINTS on the real kernel: the addresses of ECS and EKS reach the mock, like that of the IMDS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.shimlab import IMDS, MOCK, MOVED, SHIM, ShimLab, environment

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

IPV4 = (IMDS, "169.254.170.2", "169.254.170.23")
IPV6 = ("[fd00:ec2::254]", "[fd00:ec2::23]")
ALL = "ec2,ecs,eks"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    """A mock with addresses of both IP versions."""
    with ShimLab(tmp_path) as made:
        made.app.ip("address", "add", "fd77::2/64", "dev", made.links[0], "nodad")
        made.mock.ip("address", "add", "fd77::1/64", "dev", made.links[1], "nodad")
        made.name("mock", MOCK, "fd77::1")
        made.serve()
        made.serve("fd77::1")
        yield made


def answers(lab: ShimLab, *hosts: str) -> list[str]:
    return [lab.app.run(["curl", "-gsS", "--max-time", "30", f"http://{host}/"]).stdout for host in hosts]


def redirected(lab: ShimLab) -> list[str]:
    """Return the destinations of the shim's rules in every table, sorted."""
    saved = lab.tool("iptables-legacy-save") + lab.tool("ip6tables-legacy-save")
    legacy: list[str] = re.findall(r"-d (\S+)/\d+ .*imds-shim", saved)
    nft = re.findall(r"daddr (\S+) .*imds-shim", lab.tool("nft", "list", "ruleset"))
    return sorted(legacy + nft)


def followed(lab: ShimLab, **variables: str) -> subprocess.Popen[str]:
    """Start an application with a follower as PID 1 of a PID namespace, where the follower writes to its log."""
    wrapper = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return lab.start_in_app([*wrapper, str(SHIM), "cat"], env=environment(MOCK_FOLLOW="1", **variables))


def move(lab: ShimLab) -> None:
    """Make the name resolve to a second mock at another address; the first one keeps running."""
    lab.mock.ip("address", "add", f"{MOVED}/24", "dev", lab.links[1])
    lab.serve(MOVED, "second")
    lab.name("mock", MOVED)


@pytest.mark.parametrize(
    ("first", "second"), [("legacy", "legacy"), ("nft", "nft"), ("legacy", "nft"), ("nft", "legacy")]
)
def test_one_rule_for_each_address(lab: ShimLab, first: str, second: str) -> None:
    for backend in (first, second):
        done = lab.shim("true", MOCK_ENDPOINTS=ALL, MOCK_IPV6="1", MOCK_BACKEND=backend)
        assert done.returncode == 0, done.stderr
        assert [line.split(" ")[1] for line in done.stderr.splitlines() if " -> " in line] == [
            f"{host}:80" for host in (*IPV4, *IPV6)
        ]
        assert redirected(lab) == sorted(host.strip("[]") for host in (*IPV4, *IPV6))
    assert answers(lab, *IPV4, *IPV6) == ["first"] * 5
    # Only IPv4 has a default route.
    assert "removed 5 rules and 2 routes" in lab.shim("--remove").stderr
    assert redirected(lab) == []


def test_only_configured_services(lab: ShimLab) -> None:
    assert lab.shim("true", MOCK_ENDPOINTS="ecs").returncode == 0
    assert redirected(lab) == ["169.254.170.2"]
    assert lab.shim("true", MOCK_ENDPOINTS="eks").returncode == 0
    assert redirected(lab) == ["169.254.170.2", "169.254.170.23"]


@pytest.mark.parametrize("way", ["nat", "route"])
def test_each_address_gets_its_route(lab: ShimLab, way: str) -> None:
    lab.app.ip("route", "del", "default")
    if way == "route":
        for host in IPV4:
            lab.mock.ip("address", "add", f"{host}/32", "dev", lab.links[1])
            lab.serve(host)
    done = lab.shim("true", MOCK_ENDPOINTS=ALL, MOCK_ROUTE=way)
    assert done.returncode == 0, done.stderr
    for host in IPV4:
        assert f"{host} dev {lab.links[0]} proto 169" in lab.app.ip("route")
    assert redirected(lab) == (sorted(IPV4) if way == "nat" else [])
    assert answers(lab, *IPV4) == ["first"] * 3


def test_one_failed_address_undoes_the_others(lab: ShimLab) -> None:
    """A user's rule, in the back end that decides first, redirects one address to a closed port."""
    lab.tool("nft", "add table ip theirs; add chain ip theirs out { type nat hook output priority -150; }")
    lab.tool("nft", f"add rule ip theirs out ip daddr 169.254.170.23 dnat to {MOVED}")
    done = lab.shim("true", MOCK_ENDPOINTS=ALL, MOCK_TIMEOUT_SECONDS="6")
    assert done.returncode == 70, done.stderr
    assert "169.254.170.23:80 " in done.stderr
    assert redirected(lab) == []


def test_every_rule_follows_the_mock(lab: ShimLab) -> None:
    lab.name("mock", MOCK)
    app = followed(lab, MOCK_ENDPOINTS=ALL)
    assert app.stderr is not None
    assert [app.stderr.readline() for _ in IPV4][-1].endswith(f"169.254.170.23:80 -> {MOCK}:80 (mock)\n")
    move(lab)
    said = [app.stderr.readline() for _ in IPV4]
    assert sorted(said) == sorted(f"imds-shim: the mock has moved: {host}:80 -> {MOVED}:80\n" for host in IPV4)
    assert redirected(lab) == sorted(IPV4)
    assert answers(lab, *IPV4) == ["second"] * 3


def test_the_rules_of_another_start_are_not_followed(lab: ShimLab) -> None:
    """They redirect to another mock, which this follower does not know."""
    lab.name("mock", MOCK)
    assert lab.shim("true", MOCK_ENDPOINTS="ecs").returncode == 0
    app = followed(lab)
    assert app.stderr is not None
    assert app.stderr.readline() == f"imds-shim: {IMDS}:80 -> {MOCK}:80 (mock)\n"
    move(lab)
    assert app.stderr.readline() == f"imds-shim: the mock has moved: {IMDS}:80 -> {MOVED}:80\n"
    # The next update follows this line; the first mock still runs.
    lab.name("mock", MOCK)
    assert app.stderr.readline() == f"imds-shim: the mock has moved: {IMDS}:80 -> {MOCK}:80\n"
    assert answers(lab, "169.254.170.2") == ["first"]


def test_the_doctor_examines_each_address(lab: ShimLab) -> None:
    variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}
    done = lab.shim("--doctor", MOCK_ENDPOINTS=ALL, **variables)
    assert done.returncode == 0, done.stdout
    for host in IPV4:
        assert f"ok    route to {host}: " in done.stdout
        assert f"ok    trial start: {host}:80 -> {MOCK}:80 (mock)" in done.stdout
    assert "AWS_CONTAINER" not in done.stdout
    assert redirected(lab) == []
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI is set" in lab.shim("--doctor", **variables).stdout
