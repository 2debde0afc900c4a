"""Network layouts and every value of MOCK_ROUTE: where the rule alone fails, and where none is needed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from support.containers import INSTANCE_ID
from support.shimcontainers import INSTANCE_ID_ASKED, Application, application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

LINK_LOCAL = "169.254.169.254"
HOLDS_THE_ADDRESS = ("--link-local-ip", LINK_LOCAL)
ON_THE_SAME_LINK = ("--link-local-ip", "169.254.7.7")
CURL_FAILED_TO_CONNECT, CURL_TIMED_OUT = 7, 28
BRIEFLY = tuple(word if word != "30" else "2" for word in INSTANCE_ID_ASKED)


@contextlib.contextmanager
def mock_on(docker: Docker, image: str, network: str, *options: str) -> Iterator[None]:
    """A mock of the test's own."""
    words = ["--network", network, "--network-alias", "mock_metadata", *options]
    with docker.container(image, options=words) as name:
        docker.await_log(name, "answers on", seconds=120)
        yield


def default_interface(app: Application) -> str:
    return app.run("ip", "-o", "route", "show", "default").stdout.split("dev ")[1].split()[0]


def interface_to(app: Application, host: str) -> str:
    return app.run("sh", "-c", f"ip -o route get $(getent ahostsv4 {host} | cut -d' ' -f1 | head -n 1)").stdout.split()[
        2
    ]


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_on_two_networks_the_rule_needs_a_route(
    docker: Docker, tools_image: str, mock_image: str, backend: str
) -> None:
    with (
        docker.network() as first,
        docker.network() as second,
        application(docker, tools_image, networks=[first, second]) as app,
    ):
        # Which of them has the default route is the engine's choice; the mock is on the other one.
        theirs = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", second).stdout.strip()
        gateway = app.run("ip", "-o", "route", "show", "default").stdout.split()[2]
        with mock_on(docker, mock_image, first if gateway == theirs else second):
            there = interface_to(app, "mock_metadata")
            assert there != default_interface(app)
            done = app.shim(*INSTANCE_ID_ASKED, MOCK_BACKEND=backend)
            assert done.stdout == INSTANCE_ID
            assert f"added route {LINK_LOCAL}/32 dev {there}, so that" in done.stderr
            app.run("ip", "route", "del", f"{LINK_LOCAL}/32")
            # Docker 28 and newer accept a packet with the source address of the other network.
            is_accepted = int(docker("version", "--format", "{{.Server.Version}}").stdout.partition(".")[0]) >= 28
            assert app.run(*BRIEFLY, check=False).returncode == (0 if is_accepted else CURL_TIMED_OUT)


def test_a_network_with_no_way_out(docker: Docker, tools_image: str, mock_image: str) -> None:
    """`internal: true`: some engines give a default route there and some do not."""
    with (
        docker.network("--internal") as inside,
        mock_on(docker, mock_image, inside),
        application(docker, tools_image, networks=[inside]) as app,
    ):
        assert app.shim(*INSTANCE_ID_ASKED).stdout == INSTANCE_ID
        app.shim("--remove")
        app.run("sh", "-c", "ip route del default || true")
        done = app.shim(*INSTANCE_ID_ASKED)
        assert done.stdout == INSTANCE_ID
        assert " proto 169 " in app.routes()
        app.run("ip", "route", "del", f"{LINK_LOCAL}/32")
        assert app.run(*BRIEFLY, check=False).returncode == CURL_FAILED_TO_CONNECT


@pytest.fixture
def mock_at_the_address(docker: Docker, mock_image: str) -> Iterator[str]:
    """A network on which the mock itself holds 169.254.169.254."""
    with docker.network() as name, mock_on(docker, mock_image, name, *HOLDS_THE_ADDRESS):
        yield name


def test_the_mock_holds_the_address_and_a_route_leads_there(
    docker: Docker, tools_image: str, mock_at_the_address: str
) -> None:
    with application(docker, tools_image, networks=[mock_at_the_address]) as app:
        assert app.shim(*INSTANCE_ID_ASKED, MOCK_ROUTE="route").stdout == INSTANCE_ID
        assert app.rules() == []
        assert " proto 169 " in app.routes()
        assert app.shim("--remove").stderr == "imds-shim: removed 0 rules and 1 route\n"
        assert app.routes() == ""


@pytest.mark.parametrize("way", ["auto", "none"])
@pytest.mark.parametrize("hardened", [(), ("--cap-drop", "ALL", "--user", "1000:1000", "--read-only")])
def test_on_the_mocks_link_nothing_has_to_be_done(
    docker: Docker, debug_image: str, mock_at_the_address: str, way: str, hardened: tuple[str, ...]
) -> None:
    done = docker(
        *("run", "--rm", "--network", mock_at_the_address, *ON_THE_SAME_LINK, *hardened),
        *("--env", "MOCK_HOSTNAME=mock_metadata", "--env", f"MOCK_ROUTE={way}", debug_image, *INSTANCE_ID_ASKED),
        check=False,
    )
    # No rule could have been set: there is no NET_ADMIN.
    assert (done.returncode, done.stdout) == (0, INSTANCE_ID), done.stderr


def test_another_mock_holds_the_address(
    docker: Docker, tools_image: str, mock_image: str, mock_at_the_address: str
) -> None:
    """What answers at 169.254.169.254 already is not the mock that was named, so a rule is needed after all."""
    named = "i-0fedcba0987654321"
    options = ["--network", mock_at_the_address, "--network-alias", "named", "--env", f"IMDS_MOCK_INSTANCE_ID={named}"]
    with (
        docker.container(mock_image, options=options),
        application(docker, tools_image, *ON_THE_SAME_LINK, networks=[mock_at_the_address]) as app,
    ):
        assert app.run(*INSTANCE_ID_ASKED).stdout == INSTANCE_ID
        assert app.shim(*INSTANCE_ID_ASKED, MOCK_HOSTNAME="named").stdout == named
        assert len(app.rules()) == 1
        assert "removed 1 rule and 1 route" in app.shim("--remove").stderr
        refused = app.shim("true", check=False, MOCK_HOSTNAME="named", MOCK_ROUTE="none")
        assert refused.returncode == 70
        assert "MOCK_ROUTE=none" in refused.stderr


def test_none_changes_nothing_and_is_content_with_what_others_did(
    docker: Docker, tools_image: str, network: str, mock: str
) -> None:
    del mock  # it only has to be there
    with application(docker, tools_image, networks=[network]) as app:
        # Nothing may leave for the address while no rule leads it elsewhere.
        app.run("ip", "route", "add", "unreachable", f"{LINK_LOCAL}/32")
        refused = app.shim("true", check=False, MOCK_ROUTE="none")
        assert refused.returncode == 70, refused.stderr
        assert app.rules() == []
        app.run("ip", "route", "del", "unreachable", f"{LINK_LOCAL}/32")
        app.shim("--init", MOCK_ROUTE="nat")
        assert app.shim(*INSTANCE_ID_ASKED, MOCK_ROUTE="none").stdout == INSTANCE_ID
