"""The listener and the rules alone, for tests of `wire`: a fixed snapshot of a small instance, and any limits.

No configuration can set some of these limits and leaves, and without a configuration nothing but the wire is tested.
All other tests run a whole `Mock` (see `mockcontrol`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imds_mock.config.settings import MetadataOptions
from imds_mock.metadata.tree import Leaf
from imds_mock.run.program import LOOP_FACTORY
from imds_mock.service.rules import Service
from imds_mock.service.snapshot import Snapshot
from imds_mock.service.tokens import Tokens
from imds_mock.wire.context import ServerContext, Timeouts
from imds_mock.wire.parsing import Limits
from imds_mock.wire.server import DataPlane
from imds_mock.wire.sockets import open_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imds_mock.service.exchange import Exchange
    from imds_mock.service.messages import Request, Response

INSTANCE_ID = "i-1234567890abcdef0"
PROBE_ID = "0123456789abcdef"
STARTED = 1_700_000_000.0
LEAVES: Mapping[str, Leaf] = {
    "meta-data/ami-id": Leaf(b"ami-0abcdef1234567890"),
    "meta-data/instance-id": Leaf(INSTANCE_ID.encode()),
    "meta-data/placement/region": Leaf(b"us-east-1", since="2020-08-24"),
    "meta-data/public-keys/0/openssh-key": Leaf(b"ssh-rsa AAAA my-key\n"),
    "meta-data/tags/instance/Name": Leaf(b"web", since="2021-03-23"),
    "meta-data/tags/instance/empty": Leaf(b"", since="2021-03-23"),
    "dynamic/instance-identity/document": Leaf(b"{}", since="2009-04-04"),
    "user-data": Leaf(b"\x00\xff#!\n", content_type="application/octet-stream"),
}
LABELS = {"meta-data/public-keys/0": "0=my-key"}


def snapshot(options: MetadataOptions | None = None, leaves: Mapping[str, Leaf] = LEAVES) -> Snapshot:
    """A snapshot of a small instance."""
    return Snapshot.build(leaves, LABELS, options or MetadataOptions(), instance_id=INSTANCE_ID, started=STARTED)


@dataclass(frozen=True)
class FixedSnapshot:
    """The same snapshot for every caller."""

    snapshot: Snapshot

    def snapshot_for(self, _caller: str) -> Snapshot:
        return self.snapshot


@dataclass
class Clock:
    """A wall clock that a test sets."""

    now: float = STARTED

    def __call__(self) -> float:
        return self.now


@dataclass
class Journal:
    """The recorded responses."""

    entries: list[tuple[str, Request | None, Response]] = field(default_factory=list)

    def record(self, _now: float, exchange: Exchange, _micros: int) -> None:
        self.entries.append((exchange.caller, exchange.request, exchange.response))


@dataclass(repr=False)
class RunningMock:
    """A data plane that runs in a thread of its own."""

    port: int
    clock: Clock
    journal: Journal
    context: ServerContext
    plane: DataPlane
    loop: asyncio.AbstractEventLoop

    def stop(self, grace_seconds: float = 5) -> None:
        """Stop gracefully, as leaving a mock does."""
        asyncio.run_coroutine_threadsafe(self.plane.stop(grace_seconds), self.loop).result(60)

    def connect(self, timeout: float = 60) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, request: bytes | str) -> Answer:
        """Send bytes on a new connection and read until its end."""
        with self.connect() as client:
            client.sendall(request if isinstance(request, bytes) else request.encode("latin-1"))
            return Answer.parse(read_all(client))

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path."""
        return self.ask(head("GET", path, **headers))


@contextlib.contextmanager
def running_mock(
    options: MetadataOptions | None = None,
    *,
    leaves: Mapping[str, Leaf] = LEAVES,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    connections: int = 4096,
    hosts: Sequence[str] = ("127.0.0.1",),
    port: int = 0,
) -> Iterator[RunningMock]:
    """Run a data plane until the block ends."""
    served, clock, journal = snapshot(options, leaves), Clock(), Journal()
    service = Service(FixedSnapshot(served), Tokens(), PROBE_ID)
    sockets = open_sockets(hosts, port)
    loop = LOOP_FACTORY()
    failures: list[object] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context))
    context = ServerContext(
        service.respond, (journal.record,), clock, loop.time, limits or Limits(), timeouts or Timeouts()
    )
    plane = DataPlane(context, connections)
    running = RunningMock(sockets[0].getsockname()[1], clock, journal, context, plane, loop)
    loop.run_until_complete(plane.start(sockets))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert failures == [], "the event loop reported an exception"


@dataclass(frozen=True)
class Answer:
    """A response as it was received."""

    status: int
    reason: str
    lines: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Answer:
        """Parse a response; the status is 0 if the connection ended without one."""
        if not raw:
            return cls(0, "", (), b"")
        top, _, body = raw.partition(b"\r\n\r\n")
        status_line, *lines = top.decode("latin-1").split("\r\n")
        version, status, reason = status_line.split(" ", 2)
        assert version == "HTTP/1.1"
        return cls(
            int(status), reason, tuple((name, value) for name, _, value in (x.partition(": ") for x in lines)), body
        )

    def __getitem__(self, name: str) -> str:
        return next(value for known, value in self.lines if known.lower() == name.lower())

    def __contains__(self, name: str) -> bool:
        return any(known.lower() == name.lower() for known, _ in self.lines)


def head(method: str, path: str, **headers: str) -> str:
    """The text of a request head; underscores in names become hyphens."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: 169.254.169.254\r\n{fields}\r\n"


def read_all(client: socket.socket) -> bytes:
    """Read until the other side closes."""
    received = b""
    while part := client.recv(65536):
        received += part
    return received


def read_answer(client: socket.socket) -> Answer:
    """Read one response of a connection that stays open, by its Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = client.recv(1)
        assert part, received
        received += part
    answer = Answer.parse(received)
    body = b""
    while len(body) < int(answer["Content-Length"]):
        part = client.recv(int(answer["Content-Length"]) - len(body))
        assert part
        body += part
    return Answer(answer.status, answer.reason, answer.lines, body)
