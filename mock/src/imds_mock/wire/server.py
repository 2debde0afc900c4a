"""The data plane's listener: accepts connections, enforces their timeouts and their number, and stops gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Final

from imds_mock.wire.connection import Connection
from imds_mock.wire.sockets import BACKLOG, accept_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from imds_mock.wire.context import ServerContext

_WATCH_SECONDS: Final = 0.5
_EVICTED_SHARE: Final = 16
_NEW_SECONDS: Final = 0.25  # for the first request of a client that connects while the mock stops


class DataPlane:
    """A running listener.

    Args:
        context: What its connections share.
        connections: How many may be open; beyond that, those that have been silent longest are closed.
    """

    def __init__(self, context: ServerContext, connections: int) -> None:
        self._context = context
        self._connections = connections
        self._servers: list[asyncio.Server] = []
        self._sockets: tuple[socket.socket, ...] = ()
        self._watch: asyncio.TimerHandle | None = None

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Start serving.

        Args:
            sockets: Listening sockets; `stop` closes them.
        """
        loop = asyncio.get_running_loop()
        self._sockets = tuple(sockets)
        for listening in self._sockets:
            self._servers.append(await loop.create_server(self._connect, sock=listening, backlog=BACKLOG))
        self._watch_connections()

    async def stop(self, grace_seconds: float) -> None:
        """Stop listening, finish the requests in progress, and close all connections.

        Args:
            grace_seconds: How long the requests in progress may take.
        """
        context, loop = self._context, asyncio.get_running_loop()
        context.is_stopping = True
        context.all_closed = asyncio.Event()
        # asyncio drops connections that it has accepted but not set up when the server closes, so it gets the time to.
        for listening in self._sockets:
            with contextlib.suppress(NotImplementedError, ValueError):  # on Windows, and if it is closed already
                loop.remove_reader(listening)
        await asyncio.sleep(0)
        # Closing a listening socket resets the connections in its queue, so they are accepted first.
        waiting = [client for listening in self._sockets for client in accept_all(listening)]
        for server in self._servers:
            server.close()
        for client in waiting:
            await loop.connect_accepted_socket(self._connect, client)
        # Requests that have arrived are answered before their connections count as idle.
        await asyncio.sleep(0)
        ends = loop.time() + grace_seconds
        for patience, new_since in ((_NEW_SECONDS, loop.time() - _NEW_SECONDS), (grace_seconds, math.inf)):
            for connection in tuple(context.connections):
                connection.stop(new_since)
            if context.connections:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(context.all_closed.wait(), min(patience, ends - loop.time()))
        for connection in tuple(context.connections):
            connection.abort()
        if context.connections:
            await context.all_closed.wait()
        if self._watch is not None:
            self._watch.cancel()

    def _connect(self) -> Connection:
        if len(self._context.connections) >= self._connections:
            self._evict()
        return Connection(self._context)

    def _evict(self) -> None:
        by_silence = sorted(self._context.connections, key=lambda connection: connection.last_active)
        for connection in by_silence[: max(1, len(by_silence) // _EVICTED_SHARE)]:
            connection.expire()

    def _watch_connections(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._context.connections):
            if connection.deadline <= now:
                connection.expire()
        self._watch = loop.call_later(min(_WATCH_SECONDS, self._context.timeouts.shortest / 4), self._watch_connections)
