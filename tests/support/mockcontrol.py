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

import uvloop

from imds_mock.build.builder import SnapshotBuilder
from imds_mock.build.loading import from_document
from imds_mock.control.context import ControlContext
from imds_mock.control.listener import ControlPlane
from imds_mock.control_socket import open_at
from imds_mock.run.known_containers import RegisteredContainers
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from imds_mock.signing.signer import Signer
from imds_mock.state.runtime import Runtime
from imds_mock.wire.context import ServerContext
from imds_mock.wire.descriptors import CONTROL_CONNECTIONS
from imds_mock.wire.parsing import ParseCache
from imds_mock.wire.server import DataPlane, open_sockets
from support.callers import FakeNetwork
from support.mockserver import STARTED, Answer, Clock, head, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

NAMES: Mapping[str, frozenset[str]] = {"local": frozenset({"127.0.0.1"}), "other": frozenset({"172.18.0.9"})}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self.path))


@dataclass(frozen=True)
class Reply:
    """What the control plane answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class DrivenMock:
    """A mock that runs in a thread of its own."""

    port: int
    control_port: int
    socket_path: Path
    clock: Clock
    runtime: Runtime
    loop: asyncio.AbstractEventLoop
    plane: DataPlane

    def stop_data_plane(self, grace_seconds: float) -> Future[None]:
        """Begin to stop the data plane, as the program does when it is told to end."""
        return asyncio.run_coroutine_threadsafe(self.plane.stop(grace_seconds), self.loop)

    def connections(self) -> int:
        """How many connections to the data plane are open."""
        return int(self.run(lambda: len(self.plane._context.connections)))

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection to the data plane.

        Args:
            source: The address that it comes from.
        """
        return socket.create_connection(("127.0.0.1", self.port), 10, (source, 0))

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
        """Call the control plane; headers' underscores become hyphens, a body that is no text is sent as JSON."""
        connection: http.client.HTTPConnection
        if tcp:
            connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=10)
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
        """Call the control plane and insist on success."""
        reply = self.call(method, path, body)
        assert reply.status < 300, reply
        return reply.json if reply.body else None

    def settle_callers(self) -> None:
        """Wait until the look-ups of callers that are under way have ended."""
        asyncio.run_coroutine_threadsafe(self.runtime.callers.wait_for_look_ups(), self.loop).result(10)

    def run(self, function: Callable[[], Any]) -> Any:
        """Run a function on the mock's own thread."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)


@contextlib.contextmanager
def driven_mock(
    folder: Path, document: Mapping[str, Any] | None = None, fake_network: FakeNetwork | None = None
) -> Iterator[DrivenMock]:
    """Run a mock until the block ends.

    Args:
        folder: Where the Unix socket is put.
        document: The configuration.
        fake_network: The network around the mock.
    """
    config, clock = from_document(document or {}), Clock()
    callers = (fake_network or FakeNetwork(hosts=dict(NAMES))).registry(config.callers.look_up_seconds)
    known_containers = RegisteredContainers()
    builder = SnapshotBuilder(STARTED, Signer(folder / "keys"), "a test says so", known_containers=known_containers)
    runtime = Runtime(config, builder, clock, callers)
    known_containers.runtime = runtime
    runtime.state.at_reset = builder.reset
    sockets, network = open_sockets(("127.0.0.1",), 0), open_sockets(("127.0.0.1",), 0)
    path = folder / "control.sock"
    loop = uvloop.new_event_loop()
    failures: list[object] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context))
    service = Service(runtime.state.snapshot_for, Tokens(), "0123456789abcdef")
    parse_cache = ParseCache(runtime.any_host)
    server_context = ServerContext(
        runtime.respond_with(service),
        runtime.observers,
        clock,
        loop.time,
        identify_caller=runtime.identify_caller,
        parse_cache=parse_cache,
    )
    plane = DataPlane(server_context, 4096)
    context = ControlContext(
        *(runtime.state, callers, runtime.journal, runtime.queries, runtime.request_metrics, "0.0.0", runtime.reloads),
        runtime.caught_up,
    )
    control = ControlPlane(context, config.control, CONTROL_CONNECTIONS)
    mock = DrivenMock(sockets[0].getsockname()[1], network[0].getsockname()[1], path, clock, runtime, loop, plane)
    loop.run_until_complete(plane.start(sockets))
    local = [open_at(path)]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = asyncio.run_coroutine_threadsafe(control.serve(local, network), loop)
    try:
        yield mock
    finally:
        loop.call_soon_threadsafe(control.stop)
        serving.result(20)
        asyncio.run_coroutine_threadsafe(plane.stop(5), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert failures == [], "the event loop reported an exception"
