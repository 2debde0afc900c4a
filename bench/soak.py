"""Growth of the mock's memory over a million tokens and a million requests on loopback, all of which are answered.

Memory is read after a tenth of each part, when all caches are full, and at its end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import uvloop

import cores
import mockprocess
from mockprocess import LEAF, TOKEN_PATH, TTL_HEADER
from outcomes import sizes

if TYPE_CHECKING:
    from pathlib import Path

    from effort import Effort
    from outcomes import Outcomes

CONNECTIONS: Final = 16
PIPELINED: Final = 16
TOKEN_CHARACTERS: Final = 56


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


async def grow(mock: mockprocess.MockProcess, count: int) -> tuple[float, float]:
    """Growth in MiB with this many tokens, then with as many requests."""
    tokens: list[str] = []
    growths = []
    for ask in (put_tokens, get_leaves):
        each = count // CONNECTIONS
        await asyncio.gather(*(ask(mock.server.port, each // 10, tokens) for _ in range(CONNECTIONS)))
        before = mock.rss_mib()
        await asyncio.gather(*(ask(mock.server.port, each - each // 10, tokens) for _ in range(CONNECTIONS)))
        growths.append(mock.rss_mib() - before)
    return growths[0], growths[1]


def measure(effort: Effort, folder: Path) -> Outcomes:
    """Measure with one mock, with the control plane."""
    port = str(mockprocess.free_port())
    with (
        mockprocess.running(folder / "mock.log", "--control-port", port) as mock,
        cores.on(cores.LOAD),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        with_tokens, with_requests = runner.run(grow(mock, effort.requests))
    yield "soak/tokens", sizes([with_tokens])
    yield "soak/requests", sizes([with_requests])
