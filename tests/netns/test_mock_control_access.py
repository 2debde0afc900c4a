"""Who reaches the control plane, on a real network: the gateway does, a neighbour does not, however it asks.

The gateway is known by its address alone: a neighbour that takes the address by ARP is let in, unless a setting says
that the gateway is not trusted.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from netlab import Lab
from support import curl
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from netlab import Namespace

TOKEN = "the-token-of-this-test"  # noqa: S105 - made up
MOCK, GATEWAY, NEIGHBOUR = "10.77.0.2", "10.77.0.1", "10.78.0.3"
MOCK_TO_NEIGHBOUR = "10.78.0.2"


@contextlib.contextmanager
def network(folder: Path, *settings: str) -> Iterator[dict[str, Namespace]]:
    """A mock between its default gateway (the host, to which a published port leads) and an application."""
    with Lab() as lab:
        mock, gateway, neighbour = (lab.namespace(name) for name in ("mock", "gateway", "neighbour"))
        lab.link(mock, gateway, [f"{MOCK}/24"], [f"{GATEWAY}/24"])
        lab.link(mock, neighbour, [f"{MOCK_TO_NEIGHBOUR}/24"], [f"{NEIGHBOUR}/24"])
        mock.ip("route", "add", "default", "via", GATEWAY)
        with mock_in(mock, folder, *settings):
            yield {"mock": mock, "gateway": gateway, "neighbour": neighbour}


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Namespace]]:
    with network(tmp_path_factory.mktemp("run")) as running:
        yield running


@pytest.fixture
def guarded_spaces(tmp_path: Path) -> Iterator[dict[str, Namespace]]:
    """The same with a token."""
    with network(tmp_path, f"IMDS_MOCK_CONTROL_TOKEN={TOKEN}") as running:
        yield running


@contextlib.contextmanager
def mock_in(space: Namespace, folder: Path, *settings: str) -> Iterator[None]:
    """Run a mock until the block ends, with settings as environment variables."""
    serve = ("serve", "--port", "80", "--access-log", "off")
    running = space.popen(["env", f"XDG_RUNTIME_DIR={folder}", *settings, IMDS_MOCK, *serve], stderr=subprocess.PIPE)
    log = running.stderr
    assert log is not None
    try:
        assert any("control plane on" in line for line in log)
        yield
    finally:
        running.terminate()
        running.communicate(timeout=60)


def status(space: Namespace, address: str, *options: str, path: str = "/v1/status") -> str:
    """The HTTP status of a path; 000 for no answer."""
    return curl.status(space, f"http://{address}{path}", *options)


def test_from_loopback_and_from_the_gateway_it_can_be_driven(spaces: dict[str, Namespace]) -> None:
    assert status(spaces["mock"], "127.0.0.1:1339") == "200"
    assert status(spaces["mock"], "[::1]:1339") == "200"
    assert status(spaces["gateway"], f"{MOCK}:1339") == "200"


def test_a_neighbour_gets_403_whatever_it_sends(spaces: dict[str, Namespace]) -> None:
    neighbour = spaces["neighbour"]
    target = f"{MOCK_TO_NEIGHBOUR}:1339"
    assert status(neighbour, f"{MOCK_TO_NEIGHBOUR}:80", path="/latest/meta-data/instance-id") == "200"
    for options in (
        (),
        ("-H", "X-Forwarded-For: 127.0.0.1"),
        ("-H", "Forwarded: for=127.0.0.1"),
        ("-H", "Host: localhost"),
        ("-H", "Authorization: Bearer wrong"),
        ("-X", "POST", "--json", '{"kind": "spot"}'),
    ):
        for path in ("/v1/status", "/v1/events", "/healthz", "/metrics", "/openapi.json", "/nothing"):
            assert status(neighbour, target, *options, path=path) == "403", (options, path)


BEARER = ("-H", f"Authorization: Bearer {TOKEN}")


def test_with_a_token_neighbour_and_gateway_need_it(guarded_spaces: dict[str, Namespace]) -> None:
    for name, address in (("neighbour", MOCK_TO_NEIGHBOUR), ("gateway", MOCK)):
        assert status(guarded_spaces[name], f"{address}:1339") == "403"
        assert status(guarded_spaces[name], f"{address}:1339", *BEARER) == "200"
    assert status(guarded_spaces["mock"], "127.0.0.1:1339") == "200"


@pytest.mark.parametrize(("trusted", "expected"), [("true", "200"), ("false", "403")])
def test_a_neighbour_that_takes_the_gateways_address_is_let_in_where_the_gateway_is_trusted(
    tmp_path: Path, trusted: str, expected: str
) -> None:
    with Lab() as lab:
        mock, neighbour = lab.namespace("mock"), lab.namespace("neighbour")
        lab.link(mock, neighbour, [f"{MOCK}/24"], ["10.77.0.3/24"])
        mock.ip("route", "add", "default", "via", GATEWAY)
        # What NET_ADMIN allows: the address of the gateway, for which the kernel then answers ARP requests.
        neighbour.ip("address", "add", f"{GATEWAY}/24", "dev", "eth0b")
        with mock_in(mock, tmp_path, f"IMDS_MOCK_CONTROL_TRUST_GATEWAY={trusted}"):
            assert status(neighbour, f"{MOCK}:1339", "--interface", GATEWAY) == expected
            assert status(neighbour, f"{MOCK}:1339", "--interface", "10.77.0.3") == "403"
            assert status(mock, "127.0.0.1:1339") == "200"


def test_a_neighbour_that_pretends_to_be_the_gateway_is_not_answered(spaces: dict[str, Namespace]) -> None:
    neighbour = spaces["neighbour"]
    neighbour.ip("address", "add", f"{GATEWAY}/32", "dev", "lo")
    try:
        assert status(neighbour, f"{MOCK_TO_NEIGHBOUR}:1339", "--interface", GATEWAY, "--max-time", "3") == "000"
    finally:
        neighbour.ip("address", "delete", f"{GATEWAY}/32", "dev", "lo")


CROWD = """
import select, socket, sys, time
crowd = [socket.create_connection((sys.argv[1], 1339), 60) for _ in range(100)]
for client in crowd:
    client.sendall(b"GET /v1/status HTTP/1.1\\r\\nHost: x")
print("there", flush=True)
began = time.monotonic()
kept = {}
while len(kept) < len(crowd):
    for client in select.select(set(crowd) - set(kept), [], [], 60)[0]:
        try:
            kept[client] = client.recv(1)
        except ConnectionError:
            kept[client] = b""
print(time.monotonic() - began, flush=True)
"""


def test_a_crowd_of_half_requests_keeps_nobody_out_and_is_gone_soon(guarded_spaces: dict[str, Namespace]) -> None:
    spaces = guarded_spaces
    # A token that was shown once frees this address of the rate at which others may connect.
    assert status(spaces["neighbour"], f"{MOCK_TO_NEIGHBOUR}:1339", *BEARER) == "200"
    crowd = spaces["neighbour"].popen(
        [sys.executable, "-c", CROWD, MOCK_TO_NEIGHBOUR], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert crowd.stdout is not None
    assert crowd.stdout.readline() == "there\n"
    assert status(spaces["mock"], "127.0.0.1:1339") == "200"
    assert status(spaces["gateway"], f"{MOCK}:1339", *BEARER) == "200"
    assert status(spaces["neighbour"], f"{MOCK_TO_NEIGHBOUR}:1339", *BEARER) == "200"
    assert status(spaces["neighbour"], f"{MOCK_TO_NEIGHBOUR}:80", path="/latest/meta-data/instance-id") == "200"
    # The 2 s for a head of those without access, or what a busy machine makes of them; those with access have 10 s.
    assert float(crowd.stdout.readline()) < 9
    crowd.communicate(timeout=60)


def test_nothing_of_it_is_reached_through_the_data_port(spaces: dict[str, Namespace]) -> None:
    for path in ("/v1/status", "/healthz", "/metrics", "/openapi.json", "/v1/events"):
        assert status(spaces["mock"], "127.0.0.1:80", path=path) == "404"
