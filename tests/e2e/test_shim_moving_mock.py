"""MOCK_FOLLOW=1 in real containers: the mock is recreated or moves while the application runs. The IPv6 endpoint."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from support.containers import INSTANCE_ID
from support.paths import ROOT
from support.shimcontainers import INSTANCE_ID_ASKED, Application, address, application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

# Says what `wait` knows of, and what becomes of a connection that it opened.
APPLICATION = """
use IO::Socket::INET;
$| = 1;
print wait(), " ", $!{ECHILD} ? "no child" : "a child", "\\n";
my $open = IO::Socket::INET->new("169.254.169.254:80") or die "cannot connect: $!";
print "opened\\n";
my $got = sysread $open, my $bytes, 1;
print "the connection ended: ", defined $got ? "closed" : $!, "\\n";
sleep;
"""
# Tries that fail at once, until one succeeds.
UNTIL_ANSWERED = (
    "timeout 120 sh -c 'until curl -sf --connect-timeout 0.2 --max-time 1 http://169.254.169.254/latest/meta-data/instance-id;"
    " do sleep 0.02; done >/dev/null' && date --utc +%Y-%m-%dT%H:%M:%S.%N"
)
IPV6_ASKED = ("curl", "-sS", "--max-time", "30", "http://[fd00:ec2::254]/latest/meta-data/instance-id")


@pytest.fixture
def own_network(docker: Docker) -> Iterator[str]:
    with docker.network() as name:
        yield name


@contextlib.contextmanager
def mock_on(docker: Docker, image: str, network: str) -> Iterator[str]:
    """A mock of the test's own; gives its name."""
    options = ["--network", network, "--network-alias", "mock_metadata"]
    with docker.container(image, options=options) as name:
        docker.await_log(name, "answers on", seconds=120)
        yield name


@contextlib.contextmanager
def following(docker: Docker, image: str, network: str, *command: str) -> Iterator[Application]:
    """An application behind a shim that follows the mock."""
    options = ["--network", network, "--cap-add", "NET_ADMIN"]
    options += ["--env", "MOCK_HOSTNAME=mock_metadata", "--env", "MOCK_FOLLOW=1"]
    with docker.container(image, command, options) as name:
        docker.await_log(name, " -> ")
        yield Application(docker, name)


def when(text: str) -> datetime:
    """Docker and `date` write nine digits of a second."""
    found = re.search(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})", text)
    assert found, text
    return datetime.fromisoformat(f"{found[1]}+00:00")


def test_a_recreated_mock_is_reached_within_two_seconds(
    docker: Docker, tools_image: str, mock_image: str, own_network: str
) -> None:
    with contextlib.ExitStack() as rest:
        with mock_on(docker, mock_image, own_network) as mock:
            app = rest.enter_context(following(docker, tools_image, own_network, "sleep", "3600"))
            old = address(docker, mock, own_network)
        # Somebody takes the address, so that the new mock gets another one.
        rest.enter_context(docker.container(tools_image, ["3600"], ["--network", own_network, "--entrypoint", "sleep"]))
        mock = rest.enter_context(mock_on(docker, mock_image, own_network))
        answered = when(app.run("sh", "-c", UNTIL_ANSWERED).stdout)
        assert address(docker, mock, own_network) != old
        up = when(docker("logs", "--timestamps", mock).stderr)
        # The measurement itself takes two of docker's commands, which a busy machine delays.
        began = time.monotonic()
        app.run("sh", "-c", UNTIL_ANSWERED)
        delay = time.monotonic() - began
        assert (answered - up).total_seconds() < 2 + 2 * delay
        assert app.rules() == [("legacy", f"{address(docker, mock, own_network)}:80")]


def test_the_follower_is_invisible_and_ends_what_was_open(
    docker: Docker, tools_image: str, mock_image: str, own_network: str
) -> None:
    with (
        mock_on(docker, mock_image, own_network) as mock,
        following(docker, tools_image, own_network, "perl", "-MErrno", "-e", APPLICATION) as app,
    ):
        assert "-1 no child\n" in docker.await_log(app.container, "opened")
        assert sorted(app.run("sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()) == ["imds-shim", "perl", "sh"]
        (pid,) = app.run("sh", "-c", "grep -l imds-shim /proc/[0-9]*/comm | cut -d/ -f3").stdout.split()
        resident = re.search(r"VmRSS:\s+(\d+) kB", app.run("cat", f"/proc/{pid}/status").stdout)
        stated = re.search(r"`MOCK_FOLLOW=1`.*?\((\d+) MB of memory\)", (ROOT / "README.md").read_text(), re.DOTALL)
        assert resident is not None
        assert stated is not None
        assert 0.75 < int(resident[1]) / 1000 / int(stated[1]) < 1.25
        old = address(docker, mock, own_network)
        # The mock goes on without a word to those who are connected, and without the address.
        docker("network", "disconnect", own_network, mock)
        with docker.container(tools_image, ["3600"], ["--network", own_network, "--entrypoint", "sleep"]):
            docker("network", "connect", "--alias", "mock_metadata", own_network, mock)
            assert address(docker, mock, own_network) != old
            docker.await_log(app.container, "the connection ended", seconds=120)
            docker.await_log(app.container, "imds-shim: the mock has moved: 169.254.169.254:80 -> ", seconds=120)
        assert app.run(*INSTANCE_ID_ASKED).stdout == INSTANCE_ID


def test_the_follower_ends_with_the_container(
    docker: Docker, tools_image: str, mock_image: str, own_network: str
) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 60 & wait; done"
    with (
        mock_on(docker, mock_image, own_network),
        following(docker, tools_image, own_network, "sh", "-c", script) as app,
    ):
        docker.await_log(app.container, "ready")
        docker("stop", "--time", "20", app.container)
        assert docker.inspect(app.container, ".State.ExitCode") == 3


def test_the_ipv6_endpoint(docker: Docker, tools_image: str, mock_image: str) -> None:
    with (
        docker.network("--ipv6", "--subnet", "fd77:213:7::/64") as both,
        mock_on(docker, mock_image, both),
        application(docker, tools_image, networks=[both]) as app,
    ):
        for backend in ("legacy", "nft"):
            done = app.shim(*IPV6_ASKED, MOCK_IPV6="1", MOCK_BACKEND=backend)
            assert done.stdout == INSTANCE_ID
            assert [name for name, _ in app.rules()] == [backend, backend]
            assert app.run(*INSTANCE_ID_ASKED).stdout == INSTANCE_ID
        removed = app.shim("--remove").stderr
        assert "2 rules" in removed
        assert app.rules() == []
