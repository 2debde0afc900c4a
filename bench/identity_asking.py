"""Sends requests to a mock from many addresses over open connections, 16 at a time; prints figures as JSON.

After the first request of each connection, it prints a line and waits for one.

Usage: identity_asking.py HOST PORT CONNECTIONS REQUESTS SOURCE...
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import NamedTuple, cast

import uvloop

LEAVES = ("instance-id", "local-ipv4", "placement/availability-zone", "iam/security-credentials/", "mac")
AT_ONCE = 16


class Figures(NamedTuple):
    """The results.

    Attributes:
        p99: 99th percentile of the latency in milliseconds, without first requests.
        first: The same for the first requests of all connections, sent at once.
        instances: Number of different instance ids.
    """

    p99: float
    first: float
    instances: int


class Connection(asyncio.Protocol):
    """A connection that sends one request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if separator:
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            if len(body) >= length and self._answer is not None:
                self._received = b""
                self._answer.set_result(body)

    async def ask(self, leaf: str) -> tuple[float, bytes]:
        """Read a leaf; returns the milliseconds that it took, and the body."""
        self._answer = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._transport.write(
            f"GET /latest/meta-data/{leaf} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".encode()
        )
        body = await self._answer
        return (time.perf_counter() - began) * 1000, body


async def measure(host: str, port: int, connections: int, requests: int, sources: list[str]) -> Figures:
    """Send all requests."""
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(Connection, host, port, local_addr=(sources[place % len(sources)], 0)))[1]
        for place in range(connections)
    ]
    firsts = await asyncio.gather(*(connection.ask("instance-id") for connection in opened))
    print("ready", flush=True)
    sys.stdin.readline()
    places = iter(range(requests))
    latencies: list[float] = []

    async def work(own: list[Connection]) -> None:
        for place in places:
            took, _ = await own[place // AT_ONCE % len(own)].ask(LEAVES[place % len(LEAVES)])
            latencies.append(took)

    # Each worker has its own connections, because a connection can have one request in progress.
    await asyncio.gather(*(work(opened[worker::AT_ONCE]) for worker in range(AT_ONCE)))
    return Figures(p99(latencies), p99([took for took, _ in firsts]), len({body for _, body in firsts}))


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[len(values) * 99 // 100]


def main() -> int:
    """Measure and print."""
    host, port, connections, requests, *sources = sys.argv[1:]
    figures = uvloop.run(measure(host, int(port), int(connections), int(requests), sources))
    print(json.dumps(figures._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
