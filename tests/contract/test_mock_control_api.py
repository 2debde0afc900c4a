"""The control plane over its Unix socket: paths, bodies, connections and what it never shows."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.wire.descriptors import CONTROL_CONNECTIONS
from support.mockcontrol import connect
from support.mockserver import read_all

if TYPE_CHECKING:
    from support.mockcontrol import DrivenMock

LEAF = "/latest/meta-data/instance-id"
ROLE = "/latest/meta-data/iam/security-credentials/my-role"


def test_it_is_up_and_says_what_it_is(mock: DrivenMock) -> None:
    assert mock.do("GET", "/healthz") == {"status": "ok"}
    mock.get(LEAF)
    status = mock.do("GET", "/v1/status")
    assert (status["instance_id"], status["http_tokens"], status["events"]) == ("i-1234567890abcdef0", "optional", 0)


def test_the_body_of_a_client_that_offers_another_protocol_is_read(mock: DrivenMock) -> None:
    # As Java's HTTP client does with the first request of a connection.
    offer: Any = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAEAAEAAAAIAAAAB"}
    reply = mock.call("POST", "/v1/events", b'{"kind": "spot"}', Content_Type="application/json", **offer)
    assert (reply.status, [each["kind"] for each in mock.do("GET", "/v1/events")]) == (201, ["spot"])


def test_a_key_that_stands_twice_in_a_body_is_named(mock: DrivenMock) -> None:
    body = b'{"kind": "spot", "action": "stop", "in": 1.5, "action": "terminate"}'
    reply = mock.call("POST", "/v1/events", body, Content_Type="application/json")
    assert (reply.status, mock.do("GET", "/v1/events")) == (422, [])
    assert reply.json["detail"] == "body: the key 'action' appears twice in one mapping; write it once"


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "/v1/evnts", "unknown path '/v1/evnts'; did you mean /v1/events?"),
        ("GET", "/qqqq", "unknown path '/qqqq'; GET /openapi.json lists all paths"),
        ("DELETE", "/v1/status", "DELETE is not allowed at '/v1/status'; use "),
    ],
)
def test_an_unknown_path_or_method_is_named(mock: DrivenMock, method: str, path: str, sentence: str) -> None:
    assert sentence in json.loads(mock.call(method, path).body)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/events/spot-99", 404),
        ("POST", "/v1/events/spot-99/cancel", 404),
        ("POST", "/v1/events/spot-99/end", 404),
        ("POST", "/v1/events/spot-99/rearm", 404),
        ("DELETE", "/v1/events/spot-99", 404),
        ("GET", "/v1/faults/x", 404),
        ("DELETE", "/v1/faults/x", 404),
        ("GET", "/v1/config/instance/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/v1/events/", 404),
        ("DELETE", "/healthz", 405),
        ("HEAD", "/v1/requests/stream", 405),
        ("GET", "/v1/requests?limit=1&limit=2", 422),
    ],
)
def test_other_mistakes_are_problems_as_well(mock: DrivenMock, method: str, path: str, status: int) -> None:
    reply = mock.call(method, path)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert status != 405 or reply.headers["allow"]


def test_bodies_are_json_and_not_endless(mock: DrivenMock) -> None:
    assert mock.call("POST", "/v1/events", b"{", Content_Type="application/json").status == 400
    assert mock.call("POST", "/v1/events", b"\xff", Content_Type="application/json").status == 400
    assert mock.call("POST", "/v1/events", b"{}", Content_Type="text/plain").status == 415
    for size, status in ((256 * 1024, 400), (256 * 1024 + 1, 413)):
        assert mock.call("POST", "/v1/events", b" " * size, Content_Type="application/json").status == status


def nested(depth: int) -> bytes:
    return b'{"value":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


@pytest.mark.parametrize("depth", [100, 400, 900, 20_000])
def test_a_body_that_is_nested_too_deeply_is_refused(mock: DrivenMock, depth: int) -> None:
    before = mock.do("GET", "/v1/config")
    reply = mock.call("PUT", "/v1/metadata/meta-data/x", nested(depth), Content_Type="application/json")
    assert (reply.status, reply.headers["content-type"]) == (422, "application/problem+json")
    assert mock.do("GET", "/v1/config") == before


def test_a_head_without_end_is_cut_off(mock: DrivenMock) -> None:
    with connect(mock) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        endless = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 8192) for number in range(1000))
        with pytest.raises(ConnectionError):
            client.sendall(endless)
    assert mock.call("GET", "/healthz", tcp=True).status == 200


def test_a_client_that_half_closes_is_answered(mock: DrivenMock) -> None:
    with connect(mock) as client:
        client.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_goes_away_while_it_sends_a_body_is_no_error(
    mock: DrivenMock, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(mock) as client:
        client.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        client.shutdown(socket.SHUT_WR)
        read_all(client)
    assert mock.do("GET", "/healthz") is not None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_those_who_only_connect_are_kept_to_a_number_and_ctl_is_not_concerned(mock: DrivenMock) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(mock)) for _ in range(CONTROL_CONNECTIONS + 1)]
        assert silent[-1].recv(1) == b""
        assert mock.call("GET", "/healthz").status == 200
    assert mock.get(LEAF).status == 200


def test_head_is_get_without_the_body(mock: DrivenMock) -> None:
    reply = mock.call("HEAD", "/healthz")
    assert (reply.status, reply.body) == (200, b"")


def test_no_secret_leaves_through_the_control_plane(mock: DrivenMock) -> None:
    secret = "ThisIsTheSecretOfTheStaticSource"  # noqa: S105 - what must not show up
    keys = {"access_key_id": "ASIAX", "secret_access_key": secret, "session_token": secret, "source": "static"}
    mock.do("PATCH", "/v1/config", {"credentials": keys})
    token = mock.token()
    assert secret in mock.get(ROLE, X_aws_ec2_metadata_token=token).body.decode()
    told = b"".join(
        mock.call("GET", path).body
        for path in (
            *("/v1/config", "/v1/config/credentials", "/v1/metadata", f"/v1/metadata{ROLE}", "/v1/requests"),
            *("/v1/status", "/metrics", "/v1/callers", "/v1/events", "/openapi.json"),
        )
    )
    assert b"ASIAX" in told
    assert secret.encode() not in told
    assert token.encode() not in told
    mock.do("PUT", "/v1/config", mock.do("GET", "/v1/config"))
    assert secret in mock.get(ROLE).body.decode(), "a masked secret that is sent back stays what it was"
