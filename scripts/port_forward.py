"""Forwards a TCP port of loopback to a Unix socket, such as that of a control plane in another network namespace."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS: Final = 60


@contextlib.contextmanager
def forwarded(path: Path) -> Iterator[str]:
    """Forward a port of loopback to a Unix socket until the block ends; yields host and port."""

    async def serve() -> None:
        server = await asyncio.start_server(lambda *ends: _forward(path, *ends), "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    ports: queue.Queue[int] = queue.Queue()
    # It ends with the process.
    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    yield f"127.0.0.1:{ports.get(timeout=_START_SECONDS)}"


async def _forward(path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward one connection to a Unix socket, in both directions, until both ends have closed it."""

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(target):
            while part := await source.read(65536):
                target.write(part)
                await target.drain()

    # A client whose request cannot be forwarded does not wait for a response.
    with contextlib.suppress(OSError), contextlib.closing(writer):
        other_reader, other_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))
