"""The data plane's listener: opens sockets, watches time-outs and the number of connections, stops gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
from typing import TYPE_CHECKING, Final

from imds_mock.errors import ListenError
from imds_mock.wire.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imds_mock.wire.context import ServerContext

_BACKLOG: Final = 4096
_WATCH_SECONDS: Final = 0.5
_EVICTED_SHARE: Final = 16
_NEW_SECONDS: Final = 0.25  # from connecting to the first request, of a client that connects while the mock ends


def open_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Open listening sockets.

    Args:
        hosts: IP addresses; none means all addresses of both families (of IPv4 alone where there is no IPv6).
        port: TCP port, 0 for any (the same one on all addresses).

    Raises:
        ListenError: An address cannot be listened on; the message says why and what to do.
    """
    opened: list[socket.socket] = []
    try:
        for host in hosts or ("0.0.0.0", "::"):  # noqa: S104 - a container's address is not known beforehand
            try:
                opened.append(_open(host, opened[0].getsockname()[1] if opened and not port else port))
            except OSError as error:
                no_ipv6 = error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
                if not (no_ipv6 and opened and not hosts):
                    raise ListenError(host, port, error) from error
    except ListenError:
        for listening in opened:
            listening.close()
        raise
    return opened


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4]
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _accept_all(listening: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that are waiting, and listen no more."""
    with contextlib.suppress(OSError):
        try:
            while True:
                client, _ = listening.accept()
                client.setblocking(False)
                yield client
        finally:
            # At once, as what arrives between the last accept and the end of listening is reset.
            listening.shutdown(socket.SHUT_RD)


class DataPlane:
    """A running listener.

    Args:
        context: What its connections share.
        connections: How many may be open; beyond that the ones that have been silent longest are closed.
    """

    def __init__(self, context: ServerContext, connections: int) -> None:
        self._context = context
        self._connections = connections
        self._servers: list[asyncio.Server] = []
        self._sockets: tuple[socket.socket, ...] = ()
        self._watch: asyncio.TimerHandle | None = None

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Begin to serve.

        Args:
            sockets: Listening sockets; they are closed by `stop`.
        """
        loop = asyncio.get_running_loop()
        self._sockets = tuple(sockets)
        for listening in self._sockets:
            self._servers.append(await loop.create_server(self._connect, sock=listening, backlog=_BACKLOG))
        self._watch_connections()

    async def stop(self, grace_seconds: float) -> None:
        """Stop listening, finish the answers under way, close all connections.

        Args:
            grace_seconds: How long requests and answers under way may take.
        """
        context, loop = self._context, asyncio.get_running_loop()
        context.is_stopping = True
        context.all_closed = asyncio.Event()
        # Closing a listening socket resets the connections that wait to be accepted.
        waiting = [client for listening in self._sockets for client in _accept_all(listening)]
        for server in self._servers:
            server.close()
        for client in waiting:
            await loop.connect_accepted_socket(self._connect, client)
        # What has arrived already is read and answered before its connection counts as idle.
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
