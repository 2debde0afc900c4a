"""Faults as a client meets them on its connection."""

from __future__ import annotations

import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.mockserver import head, read_all, read_answer

if TYPE_CHECKING:
    from support.mockcontrol import DrivenMock

LEAF = "/latest/meta-data/instance-id"
BODY = b"i-1234567890abcdef0"
SLOW = "/latest/meta-data/mac"
KEEP = {"Connection": "keep-alive"}
# The event loop counts whole milliseconds and drops the rest, so that a pause may end as much early. A machine under
# load makes it longer, never shorter.
TICK = 0.001


def arm(mock: DrivenMock, kind: str, **fields: Any) -> None:
    mock.do("POST", "/v1/faults", {"kind": kind, **fields})


def connect(mock: DrivenMock) -> socket.socket:
    return socket.create_connection(("127.0.0.1", mock.port), 60)


def test_a_delayed_answer_is_late_and_whole(mock: DrivenMock) -> None:
    arm(mock, "delay", delay="80ms")
    began = time.monotonic()
    assert mock.get(LEAF).body == BODY
    assert time.monotonic() - began > 0.08 - TICK
    assert mock.do("GET", "/v1/requests?limit=1")[0]["microseconds"] > (0.08 - TICK) * 1_000_000


def test_while_one_waits_the_others_are_served(mock: DrivenMock) -> None:
    arm(mock, "delay", delay="10m", path=SLOW)
    with connect(mock) as waiting:
        waiting.sendall(head("GET", SLOW).encode())
        assert mock.get(LEAF).body == BODY
        waiting.settimeout(0.05)
        with pytest.raises(TimeoutError):
            waiting.recv(1)


def test_answers_keep_the_order_of_requests(mock: DrivenMock) -> None:
    arm(mock, "delay", delay="50ms", path=SLOW)
    paths = [LEAF, SLOW, "/latest/meta-data/ami-id", SLOW, LEAF]
    with connect(mock) as client:
        client.sendall("".join(head("GET", path, **KEEP) for path in paths).encode())
        bodies = [read_answer(client).body for _ in paths]
        client.sendall(head("GET", "/latest/meta-data/ami-id").encode())
        assert read_all(client).endswith(bodies[2])
    assert (bodies[0], bodies[4]) == (BODY, BODY)
    assert bodies[1] == bodies[3] == mock.get(SLOW).body


def test_requests_that_come_while_one_waits_wait_their_turn(mock: DrivenMock) -> None:
    arm(mock, "delay", delay="50ms", path=SLOW)
    with connect(mock) as client:
        client.sendall(head("GET", SLOW, **KEEP).encode())
        client.sendall(head("GET", LEAF, **KEEP).encode())
        assert b":" in read_answer(client).body
        assert read_answer(client).body == BODY


def test_a_client_that_goes_while_it_waits_does_no_harm(mock: DrivenMock) -> None:
    arm(mock, "delay", delay="30ms")
    with connect(mock) as client:
        client.sendall(head("GET", LEAF).encode())
    assert mock.get(LEAF).body == BODY


def test_a_client_that_gives_up_is_in_the_journal(mock: DrivenMock) -> None:
    """With how long it waited, no status, and the fault: whoever tests a time-out asks for just that."""
    arm(mock, "delay", delay="10m", path=SLOW)
    mock.do("DELETE", "/v1/requests")
    with connect(mock) as client:
        client.sendall(head("GET", SLOW).encode())
        assert mock.get(LEAF).body == BODY
        assert [each["path"] for each in mock.do("GET", "/v1/requests")] == [LEAF]
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = mock.do("GET", f"/v1/requests?path={SLOW}")
        if found:
            break
    (given_up,) = found
    assert given_up["status"] is None
    assert given_up["faults"] == [mock.do("GET", "/v1/faults")[0]["id"]]
    assert mock.do("GET", f"/v1/requests/count?path={SLOW}&at_least=1")["holds"]


def recorded(mock: DrivenMock, path: str, count: int = 1) -> list[dict[str, Any]]:
    """The journal's entries for a path, as soon as it has so many of them."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found: list[dict[str, Any]] = mock.do("GET", f"/v1/requests?path={path}")
        if len(found) >= count:
            return found
    raise AssertionError(mock.do("GET", "/v1/requests"))


@pytest.mark.parametrize(
    ("requests", "answers"),
    [
        ([("GET", SLOW, {})], 1),
        ([("GET", SLOW, KEEP)], 1),
        ([("HEAD", SLOW, {})], 1),
        ([("GET", LEAF, KEEP), ("GET", SLOW, KEEP), ("GET", LEAF, KEEP), ("GET", SLOW, {})], 4),
        ([("GET", SLOW, KEEP)] * 300, 300),
    ],
)
def test_a_client_that_half_closes_gets_its_delayed_answers(
    mock: DrivenMock, requests: list[tuple[str, str, dict[str, str]]], answers: int
) -> None:
    arm(mock, "delay", delay="80ms", path=SLOW, count=4)
    mock.do("DELETE", "/v1/requests")
    with connect(mock) as client:
        client.sendall("".join(head(method, path, **fields) for method, path, fields in requests).encode())
        client.shutdown(socket.SHUT_WR)
        received = read_all(client)
    assert received.count(b"HTTP/1.1 200 OK") == answers
    slow = sum(path == SLOW for _, path, _ in requests)
    entries = recorded(mock, SLOW, slow)
    assert [each["status"] for each in entries[:slow]] == [200] * min(slow, len(entries))
    assert max(each["microseconds"] for each in entries) > (0.08 - TICK) * 1_000_000


def test_a_half_closed_client_whose_answer_is_far_away_gets_its_first_byte_before(mock: DrivenMock) -> None:
    """That is how the mock tells it from a client that has given up; together the bytes are the answer."""
    body = mock.get(SLOW).body
    arm(mock, "delay", delay="4500ms", path=SLOW)
    mock.do("DELETE", "/v1/requests")
    with connect(mock) as client:
        client.sendall(head("GET", SLOW).encode())
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(60)
        client.shutdown(socket.SHUT_WR)
        first = client.recv(100)
        rest = read_all(client)
    assert first == b"H"
    assert rest.startswith(b"TTP/1.1 200 OK\r\n")
    assert rest.endswith(body)
    (entry, *_) = recorded(mock, SLOW)
    assert entry["microseconds"] > (4.5 - TICK) * 1_000_000


@pytest.mark.parametrize("how", ["closes", "resets", "half-closes and resets"])
def test_a_client_that_goes_shortly_before_its_answer_is_in_the_journal(mock: DrivenMock, how: str) -> None:
    arm(mock, "delay", delay="900ms", path=SLOW)
    mock.do("DELETE", "/v1/requests")
    with connect(mock) as client:
        client.sendall(head("GET", SLOW).encode())
        if how.startswith("half"):
            client.shutdown(socket.SHUT_WR)
        if how.endswith("resets"):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (entry,) = recorded(mock, SLOW)
    assert entry["status"] is None
    assert entry["microseconds"] < 900_000, "how long the client waited"


def test_a_half_closed_client_stalls_like_others(mock: DrivenMock) -> None:
    arm(mock, "stall", count=1)
    with connect(mock) as client:
        client.sendall(head("GET", LEAF).encode())
        client.shutdown(socket.SHUT_WR)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_reset_comes_instead_of_an_answer(mock: DrivenMock) -> None:
    arm(mock, "reset", count=1)
    with connect(mock) as client:
        client.sendall(head("GET", LEAF).encode())
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    entry = mock.do("GET", "/v1/requests?limit=1")[0]
    assert entry["status"] is None
    assert mock.get(LEAF).status == 200


def test_a_stalled_request_is_never_answered(mock: DrivenMock) -> None:
    arm(mock, "stall", count=1)
    with connect(mock) as client:
        client.sendall(head("GET", LEAF).encode())
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert mock.get(LEAF).status == 200


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_truncated_answer_promises_more_than_it_sends(mock: DrivenMock, connection: str) -> None:
    arm(mock, "truncate", keep_bytes=4)
    answer = mock.get(LEAF, Connection=connection)
    assert (answer.status, answer["Content-Length"], answer.body) == (200, "19", BODY[:4])


def test_a_delayed_error_is_both(mock: DrivenMock) -> None:
    arm(mock, "delay", delay="40ms")
    arm(mock, "status", status=418)
    began = time.monotonic()
    answer = mock.get(LEAF)
    assert (answer.status, answer.body) == (418, b"")
    assert time.monotonic() - began > 0.04 - TICK


def test_a_status_that_is_not_registered_can_be_sent(mock: DrivenMock) -> None:
    arm(mock, "status", status=499)
    assert mock.get(LEAF).status == 499


def test_a_token_request_can_fail_as_well(mock: DrivenMock) -> None:
    arm(mock, "status", path="/latest/api/token", status=503, retry_after=1)
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    answer = mock.ask(head("PUT", "/latest/api/token", **ttl))
    assert (answer.status, answer["Retry-After"]) == (503, "1")
    assert "X-Aws-Ec2-Metadata-Token-Ttl-Seconds" not in answer
