"""A connection over a transport that keeps what is written: which requests wait, and that the others pay nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from imds_mock.service.answers import content
from imds_mock.wire.connection import Connection
from imds_mock.wire.context import ServerContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.service.messages import Request, Response

CALLER = "172.18.0.3"
ROLE = "/latest/meta-data/iam/security-credentials/app"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": (CALLER, 40000)})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def bodies(self) -> list[str]:
        return [each.rpartition("\r\n\r\n")[2] for each in self.written.decode().split("HTTP/1.1 200 OK\r\n")[1:]]


class Fetching:
    """Credentials that are being fetched."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.waiting: list[Callable[[], None]] = []
        self.cancelled = 0
        self.there = False

    def __call__(self, caller: str, then: Callable[[], None]) -> Fetching | None:
        self.asked.append(caller)
        if self.there:
            return None
        self.waiting.append(then)
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def arrive(self) -> None:
        self.there = True
        for then in self.waiting:
            then()


def get(path: str, host: str = "169.254.169.254") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n".encode()


def connected(fetching: Fetching) -> tuple[Connection, Wire]:
    def respond(request: Request, _caller: str, now: float) -> Response:
        return content(request.path.encode(), "text/plain", now)

    context = ServerContext(respond, (), lambda: 1_700_000_000.0, lambda: 0.0, await_credentials=fetching)
    connection, wire = Connection(context), Wire()
    connection.connection_made(wire)
    return connection, wire


@pytest.mark.parametrize("path", ["/latest/meta-data/instance-id", "/latest/meta-data/", "/latest/meta-data/iam"])
def test_an_ordinary_request_asks_for_no_credentials(path: str) -> None:
    fetching = Fetching()
    connection, wire = connected(fetching)
    connection.data_received(get(path))
    assert wire.bodies() == [path.removesuffix("/")]
    assert fetching.asked == []


@pytest.mark.parametrize(("path", "host"), [(ROLE, "169.254.169.254"), ("/v2/credentials/x", "169.254.170.2")])
def test_a_request_waits_until_its_credentials_are_there(path: str, host: str) -> None:
    fetching = Fetching()
    connection, wire = connected(fetching)
    connection.data_received(get(path, host))
    assert (wire.written, fetching.asked) == (b"", [CALLER])
    fetching.arrive()
    assert wire.bodies() == [path]


def test_responses_keep_the_order_of_requests_while_one_waits() -> None:
    fetching = Fetching()
    connection, wire = connected(fetching)
    connection.data_received(get("/a") + get(ROLE) + get("/b") + get("/c"))
    connection.data_received(get("/d"))
    assert wire.bodies() == ["/a"]
    fetching.arrive()
    assert wire.bodies() == ["/a", ROLE, "/b", "/c", "/d"]
    assert not wire.closed


def test_a_client_that_gives_up_waits_for_nothing() -> None:
    fetching = Fetching()
    connection, wire = connected(fetching)
    connection.data_received(get(ROLE))
    connection.connection_lost(None)
    assert (fetching.cancelled, wire.written) == (1, b"")
