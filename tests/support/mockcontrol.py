"""A whole mock for tests: both planes on one event loop, in a thread, on loopback and a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imds_mock import Dependencies, Mock
from imds_mock.run.program import LOOP_FACTORY
from imds_mock.signing.signer import Signer
from support.callers import FakeNetwork
from support.mockserver import Answer, Clock, head, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from imds_mock.state.runtime import Runtime

NAMES: Mapping[str, frozenset[str]] = {"local": frozenset({"127.0.0.1"}), "other": frozenset({"172.18.0.9"})}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self.path))


@dataclass(frozen=True)
class Reply:
    """A response of the control plane."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


@dataclass
class DrivenMock:
    """A mock that runs in a thread of its own."""

    port: int
    control_port: int
    socket_path: Path
    clock: Clock
    mock: Mock
    loop: asyncio.AbstractEventLoop

    @property
    def runtime(self) -> Runtime:
        """Its state."""
        return self.mock.runtime

    def stop_data_plane(self, grace_seconds: float) -> Future[None]:
        """Start to stop the data plane, as leaving the mock does."""
        assert self.mock.data_plane is not None
        return asyncio.run_coroutine_threadsafe(self.mock.data_plane.stop(grace_seconds), self.loop)

    def connections(self) -> int:
        """How many connections to the data plane are open."""
        assert self.mock.data_plane is not None
        connections = self.mock.data_plane._context.connections
        return int(self.run(lambda: len(connections)))

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection to the data plane.

        Args:
            source: The address that it comes from.
        """
        return socket.create_connection(("127.0.0.1", self.port), 60, (source, 0))

    def get(self, path: str, source: str = "127.0.0.1", **headers: str) -> Answer:
        """GET a path from the data plane, on a connection of its own."""
        return self.ask(head("GET", path, **headers), source)

    def ask(self, request: str, source: str = "127.0.0.1") -> Answer:
        """Send a request to the data plane and read until the end."""
        with self.connect(source) as client:
            client.sendall(request.encode("latin-1"))
            return Answer.parse(read_all(client))

    def token(self, source: str = "127.0.0.1") -> str:
        """A session token."""
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        return self.ask(head("PUT", "/latest/api/token", **ttl), source).body.decode()

    def call(self, method: str, path: str, body: Any = None, *, tcp: bool = False, **headers: str) -> Reply:
        """Call the control plane; headers' underscores become hyphens, a body other than bytes is sent as JSON."""
        connection: http.client.HTTPConnection
        if tcp:
            connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=60)
        else:
            connection = _UnixConnection(self.socket_path)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            patches = method == "PATCH"
            named = {"Content-Type": "application/merge-patch+json" if patches else "application/json", **named}
        with contextlib.closing(connection):
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def do(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control plane; fails unless it succeeds."""
        reply = self.call(method, path, body)
        assert reply.status < 300, reply
        return reply.json if reply.body else None

    def settle_callers(self) -> None:
        """Wait until the look-ups of callers in progress have ended."""
        asyncio.run_coroutine_threadsafe(self.runtime.callers.wait_for_look_ups(), self.loop).result(60)

    def run(self, function: Callable[[], Any]) -> Any:
        """Run a function on the mock's own thread."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)


@contextlib.contextmanager
def driven_mock(
    folder: Path, document: Mapping[str, Any] | None = None, fake_network: FakeNetwork | None = None
) -> Iterator[DrivenMock]:
    """Run a mock until the block ends.

    Args:
        folder: Where the Unix socket and the keys are put.
        document: The configuration.
        fake_network: Determines who the callers are.
    """
    document = dict(document or {})
    path = folder / "control.sock"
    document["server"] = {"hosts": ["127.0.0.1"], "port": 0, **document.get("server", {})}
    document["control"] = {"socket": str(path), **document.get("control", {})}
    timeout = document.get("callers", {}).get("look_up_seconds", 1.0)
    clock = Clock()
    dependencies = Dependencies(
        clock=clock,
        callers=(fake_network or FakeNetwork(hosts=dict(NAMES))).registry(timeout),
        signer=Signer(folder / "keys"),
        probe_id="0123456789abcdef",
    )
    mock = Mock(document, dependencies=dependencies)
    with running_loop() as loop:
        asyncio.run_coroutine_threadsafe(mock.__aenter__(), loop).result(60)
        assert mock.control_sockets is not None
        try:
            yield DrivenMock(mock.addresses[0].port, mock.control_sockets.addresses[0].port, path, clock, mock, loop)
        finally:
            asyncio.run_coroutine_threadsafe(mock.__aexit__(None, None, None), loop).result(60)


@contextlib.contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own until the block ends; fails if the loop reports an exception."""
    loop = LOOP_FACTORY()
    failures: list[object] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert failures == [], "the event loop reported an exception"


def problem(mock: DrivenMock, method: str, path: str, body: Any = None) -> tuple[int, str, list[str]]:
    """Send a request that is refused; returns status, sentence and the named fields."""
    reply = mock.call(method, path, body)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == reply.status
    return reply.status, reply.json["detail"], [each["field"] for each in reply.json.get("errors", [])]


def connect(mock: DrivenMock) -> socket.socket:
    """Connect to the control plane's TCP port."""
    return socket.create_connection(("127.0.0.1", mock.control_port), 60)
