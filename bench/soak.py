"""A million requests and a million tokens on loopback: all are answered, and memory grows by at most 2 MiB.

Memory is read after a tenth of each part, when all caches are full, and at its end.
Usage: soak.py [--requests N] [--connections N].
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

import mockprocess
from mockprocess import LEAF, TOKEN_PATH, TTL_HEADER

MAX_GROWTH_MIB = 2.0
PIPELINED = 16
TOKEN_CHARACTERS = 56


class ResponseError(Exception):
    """A response is not as expected."""


async def put_tokens(port: int, count: int, tokens: list[str]) -> None:
    """Request tokens over one connection; keeps the last ones."""
    asked = f"PUT {TOKEN_PATH} HTTP/1.1\r\nConnection: keep-alive\r\n{TTL_HEADER}: 21600\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count // PIPELINED):
        writer.write(asked * PIPELINED)
        tokens[:] = [(await answer(reader, TOKEN_CHARACTERS)).decode() for _ in range(PIPELINED)]
    writer.close()
    await writer.wait_closed()


async def get_leaves(port: int, count: int, tokens: list[str]) -> None:
    """Read a leaf over one connection, alternately with and without a token."""
    plain = f"GET {LEAF} HTTP/1.1\r\nConnection: keep-alive\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for turn in range(count // PIPELINED):
        with_token = (
            f"GET {LEAF}?{turn} HTTP/1.1\r\nConnection: keep-alive\r\n"
            f"X-aws-ec2-metadata-token: {tokens[turn % len(tokens)]}\r\n\r\n"
        ).encode()
        writer.write((plain + with_token) * (PIPELINED // 2))
        for _ in range(PIPELINED):
            await answer(reader, 19)
    writer.close()
    await writer.wait_closed()


async def answer(reader: asyncio.StreamReader, length: int) -> bytes:
    """Read one response with a body of a known length."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ResponseError(head.decode())
    return await reader.readexactly(length)


async def soak(mock: mockprocess.MockProcess, requests: int, connections: int) -> bool:
    """Run both parts; returns whether memory stayed within the limit."""
    tokens: list[str] = []
    flat = True
    for name, ask in (("tokens", put_tokens), ("requests", get_leaves)):
        each = requests // connections
        began = time.monotonic()
        await asyncio.gather(*(ask(mock.port, each // 10, tokens) for _ in range(connections)))
        before = mock.rss_mib()
        await asyncio.gather(*(ask(mock.port, each - each // 10, tokens) for _ in range(connections)))
        growth = mock.rss_mib() - before
        flat = flat and growth <= MAX_GROWTH_MIB
        print(
            f"{each * connections:,} {name} in {time.monotonic() - began:.0f} s: {before:.1f} MiB after a tenth,"
            f" {growth:+.1f} MiB at the end (at most +{MAX_GROWTH_MIB:.0f})",
            flush=True,
        )
    return flat


def main() -> int:
    """Soak; the exit code is 1 if memory grew too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000, help="of each kind")
    parser.add_argument("--connections", type=int, default=16)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        mockprocess.running(Path(folder) / "mock.log") as mock,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return 0 if runner.run(soak(mock, arguments.requests, arguments.connections)) else 1


if __name__ == "__main__":
    sys.exit(main())
