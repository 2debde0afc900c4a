"""Any bytes at all on a real socket: every answer is a refusal or a right one, nothing breaks, nothing is left."""

from __future__ import annotations

import contextlib
import random
import re
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.mockserver import INSTANCE_ID, head, running_mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mockserver import RunningMock

SEED = 20_260_102
ROUNDS = 5000
LEAF = "/latest/meta-data/instance-id"
REFUSALS = {400, 401, 403, 404, 405, 413, 414, 417, 431}
STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z]")
REQUESTS = (
    head("GET", LEAF),
    head("GET", "/latest/meta-data/", Connection="keep-alive"),
    head("GET", LEAF, X_aws_ec2_metadata_token="AQAEA" + "x" * 49 + "=="),
    head("PUT", "/latest/api/token", **{"X-aws-ec2-metadata-token-ttl-seconds": "21600", "Content-Length": "0"}),
    head("PUT", "/latest/api/token", **{"Transfer-Encoding": "chunked", "Expect": "100-continue"}) + "0\r\n\r\n",
    head("POST", "/", **{"Content-Length": "5", "Connection": "keep-alive"}) + "a=b&c" + head("GET", LEAF),
    head("GET", LEAF, Connection="Upgrade, HTTP2-Settings", Upgrade="h2c"),
    "OPTIONS * HTTP/1.1\r\n\r\n",
    "GET http://169.254.169.254/latest/user-data HTTP/1.0\r\n\r\n",
)
BLOCKS = (b"\r\n", b"\x00", b" ", b":", b"\xff", b"%", b"/", b"A" * 9000, b"Content-Length: 99999999999\r\n", b"\n")


@pytest.fixture(scope="module")
def mock() -> Iterator[RunningMock]:
    with running_mock() as running:
        yield running


def talk(mock: RunningMock, pieces: list[bytes]) -> list[int]:
    """Send pieces, end the sending side, and return the statuses of all answers."""
    received = b""
    with mock.connect() as client:
        with contextlib.suppress(OSError):  # the answer may have been given, and the connection closed, before the end
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while part := client.recv(65536):
                received += part
    return [int(status) for status in STATUS_LINE.findall(received)]


def damaged(chance: random.Random) -> list[bytes]:
    """A request or two, with a few bytes changed, taken out or put in, cut into pieces."""
    data = bytearray("".join(chance.choices(REQUESTS, k=chance.randint(1, 2))).encode("latin-1"))
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(data))
        change = chance.randrange(4)
        if change == 0:
            data[place] = chance.randrange(256)
        elif change == 1:
            del data[place : place + chance.randint(1, 20)]
        elif change == 2:
            data[place:place] = chance.choice(BLOCKS)
        else:
            data = data[: place + 1]
        if not data:
            return [b""]
    edge = chance.randrange(len(data))
    return [bytes(data[:edge]), bytes(data[edge:])]


def test_damaged_requests(mock: RunningMock) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same damage at each run
    seen: set[int] = set()
    for _ in range(ROUNDS):
        seen.update(talk(mock, damaged(chance)))
    assert seen <= REFUSALS | {200}
    assert {200, 400, 401, 417} <= seen
    assert_unharmed(mock)


@given(st.lists(st.binary(max_size=300) | st.sampled_from([request.encode() for request in REQUESTS]), max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(mock: RunningMock, pieces: list[bytes]) -> None:
    assert set(talk(mock, pieces)) <= REFUSALS | {200}


def assert_unharmed(mock: RunningMock) -> None:
    with mock.connect() as client:
        client.sendall(head("GET", LEAF).encode())
        assert client.recv(65536).endswith(INSTANCE_ID.encode())
        assert client.recv(1) == b""
    assert len(mock.context.connections) <= 1
