"""Access to the control plane: Unix socket, loopback, gateway or token, and no web page of another origin."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from imds_mock.control.access import AccessGuard

TOKEN = "a-long-enough-token"  # noqa: S105 - made up
GATEWAY = "172.18.0.1"


def status(
    client: str | None,
    *,
    host: str = "127.0.0.1:1339",
    origin: str | None = None,
    authorization: str | None = None,
    token: str | None = None,
    local: bool = False,
    allowed_hosts: tuple[str, ...] = (),
    trust_gateway: bool = True,
) -> int:
    """The status that a request gets; the application behind the guard answers 200."""
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the guard reads no bodies")

    named = {"host": host, "origin": origin, "authorization": authorization}
    headers = [(name.encode(), value.encode()) for name, value in named.items() if value is not None]
    scope = {"type": "http", "path": "/", "client": None if client is None else (client, 4711), "headers": headers}
    gateways = (lambda: frozenset({GATEWAY, "fd00::1"})) if trust_gateway else None
    guard = AccessGuard(app, gateways, token, allowed_hosts, is_local=local)
    asyncio.run(guard(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", GATEWAY, "fd00::1"])
def test_loopback_and_the_gateway_have_access(client: str) -> None:
    assert status(client) == 200


@pytest.mark.parametrize("client", ["172.18.0.3", "10.0.0.1", "fe80::1%eth0", "::ffff:172.18.0.3", "nonsense", None])
def test_other_addresses_have_no_access(client: str | None) -> None:
    assert status(client) == 403


@pytest.mark.parametrize("gateway", [GATEWAY, "fd00::1", f"::ffff:{GATEWAY}"])
def test_the_gateway_needs_the_token_if_one_is_set(gateway: str) -> None:
    assert status(gateway, token=TOKEN) == 403
    assert status(gateway, token=TOKEN, authorization=f"Bearer {TOKEN}x") == 403
    assert status(gateway, token=TOKEN, authorization=f"Bearer {TOKEN}") == 200


def test_the_gateway_has_no_access_if_it_is_not_trusted() -> None:
    assert status(GATEWAY, trust_gateway=False) == 403
    assert status(GATEWAY, trust_gateway=False, token=TOKEN, authorization=f"Bearer {TOKEN}") == 200
    assert status("127.0.0.1", trust_gateway=False) == 200
    assert status("127.0.0.1", trust_gateway=False, token=TOKEN) == 200
    assert status(None, local=True, trust_gateway=False, token=TOKEN) == 200


def test_other_addresses_need_exactly_the_token() -> None:
    assert status("172.18.0.3", token=TOKEN, authorization=f"Bearer {TOKEN}") == 200
    for wrong in (None, "", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer \xe9"):
        assert status("172.18.0.3", token=TOKEN, authorization=wrong) == 403
    assert status("172.18.0.3", token=None, authorization="Bearer None") == 403
    assert status("172.18.0.3", token=None, authorization="") == 403


def test_the_unix_socket_needs_no_address() -> None:
    assert status(None, local=True) == 200
    assert status(None, local=True, host="whatever") == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1339", "[::1]:1339", "localhost", "LOCALHOST:9", "x.localhost"]
)
def test_ip_addresses_and_localhost_are_own_hosts(host: str) -> None:
    assert status("127.0.0.1", host=host) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1339", "localhost.example", "", "127.0.0.1.nip.io"])
def test_unknown_host_names_are_refused(host: str) -> None:
    assert status("127.0.0.1", host=host) == 403


def test_more_host_names_can_be_allowed() -> None:
    assert status(GATEWAY, host="mock_metadata:1339", allowed_hosts=("Mock_Metadata",)) == 200
    assert status(GATEWAY, host="mock:1339", allowed_hosts=("mock_metadata",)) == 403


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, 200),
        ("http://127.0.0.1:1339", 200),
        ("http://evil.example", 403),
        ("http://127.0.0.1:8080", 403),
        ("null", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("local", [False, True])
def test_web_pages_of_other_origins_are_refused(origin: str | None, expected: int, local: bool) -> None:  # noqa: FBT001 - a table
    assert status("127.0.0.1", origin=origin, local=local) == expected
