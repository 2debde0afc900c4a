"""Queries to one name server over one socket, many at a time. The only module that imports dnspython.

dnspython takes about 30 ms to load, so a thread loads it at the first query. Docker's embedded DNS server answers
within 1 ms, or as fast as the server that it forwards to.
"""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.shapes import split_name_server

if TYPE_CHECKING:
    from collections.abc import Callable

_DOCKER: Final = "127.0.0.11"
_PODMAN: Final = "dns.podman"  # the domain in which it resolves names
_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_LIBRARY: Final = ("dns.message", "dns.reversename", "dns.rdtypes.ANY.PTR", "dns.rdtypes.IN.A", "dns.rdtypes.IN.AAAA")
# More answers at a time may not fit into the socket's buffer.
_MAX_QUERIES: Final = 128
# The addresses of a service with many replicas do not fit into the 512 bytes that DNS allows by default.
_MAX_ANSWER_BYTES: Final = 4096
_NO_ERROR, _NO_SUCH_NAME = 0, 3


class NameServer:
    """Queries the configured name server.

    Args:
        configured: Gives the setting: `ADDRESS` or `ADDRESS:PORT`; None for the system's, empty for none.
        timeout_seconds: How long to wait for an answer.
    """

    def __init__(self, configured: Callable[[], str | None], timeout_seconds: float) -> None:
        self._configured = configured
        self._timeout_seconds = timeout_seconds
        self._connection: _Connection | None = None
        self._slots = asyncio.Semaphore(_MAX_QUERIES)
        self._connecting = asyncio.Lock()

    def is_engine(self) -> bool:
        """Whether it is the name server of Docker or Podman, which knows the container's own name too."""
        configured = self._configured()
        server = _server(configured)
        return server is not None and (server[0] == _DOCKER or (configured is None and _is_podman(_RESOLV_CONF)))

    async def names_of(self, address: str) -> tuple[str, ...]:
        """The reverse names of an address, in the order of the answer; empty if it has none.

        Raises:
            OSError: No answer, or the server reports an error.
        """
        names = await self._query(lambda dns: dns.reversename.from_address(address), "PTR")
        return tuple(name for name in names if name != ".")  # the root is not a name

    async def addresses_of(self, name: str) -> frozenset[str]:
        """The addresses of a name, of both families.

        Raises:
            OSError: No answer, or the server reports an error.
        """
        found = await asyncio.gather(*(self._query(lambda _: name, kind) for kind in ("A", "AAAA")))
        return frozenset().union(*found)

    def close(self) -> None:
        """Close the socket."""
        if self._connection is not None:
            self._connection.close()

    async def _query(self, name: Callable[[Any], Any], kind: str) -> tuple[str, ...]:
        async with self._slots:
            connection = await self._connected()
            if connection is None:
                return ()
            dns = connection.dns
            try:
                query = dns.message.make_query(name(dns), kind, use_edns=0, payload=_MAX_ANSWER_BYTES)
            except dns.exception.DNSException as error:
                raise OSError(f"invalid name: {error}") from error
            async with asyncio.timeout(self._timeout_seconds):
                answer = await connection.send(query)
        if answer.rcode() not in {_NO_ERROR, _NO_SUCH_NAME}:
            raise OSError(f"the name server refused the query (RCODE {answer.rcode()})")
        rdtype = query.question[0].rdtype
        return tuple(record.to_text() for found in answer.answer if found.rdtype == rdtype for record in found)

    async def _connected(self) -> _Connection | None:
        server = _server(self._configured())
        async with self._connecting:  # concurrent queries share one socket
            if self._connection is not None and (self._connection.server != server or self._connection.closed):
                self._connection.close()
                self._connection = None
            if self._connection is None and server is not None:
                dns = await asyncio.to_thread(_load)
                loop = asyncio.get_running_loop()
                _, self._connection = await loop.create_datagram_endpoint(
                    lambda: _Connection(server, dns), remote_addr=server
                )
            return self._connection


class _Connection(asyncio.DatagramProtocol):
    """One socket to one server, with its pending queries."""

    def __init__(self, server: tuple[str, int], dns: Any) -> None:
        self.server = server
        self.dns = dns
        self.closed = False
        self._pending: dict[int, tuple[Any, asyncio.Future[Any]]] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    async def send(self, query: Any) -> Any:
        """The answer to a query."""
        while query.id in self._pending:
            query.id = (query.id + 1) & 0xFFFF
        answer = asyncio.get_running_loop().create_future()
        self._pending[query.id] = query, answer
        try:
            self._transport.sendto(query.to_wire())
            return await answer
        finally:
            del self._pending[query.id]

    def datagram_received(self, data: bytes, _address: Any) -> None:
        try:
            message = self.dns.message.from_wire(data)
        except self.dns.exception.DNSException:
            return
        query, answer = self._pending.get(message.id, (None, None))
        if query is not None and answer is not None and not answer.done() and query.is_response(message):
            answer.set_result(message)

    def error_received(self, exc: Exception) -> None:
        for _, answer in self._pending.values():
            if not answer.done():
                answer.set_exception(OSError(f"the name server is unreachable: {exc}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.error_received(exc or OSError("closed"))

    def close(self) -> None:
        """Close the socket."""
        self.closed = True
        self._transport.close()


def _load() -> Any:
    for name in _LIBRARY:
        importlib.import_module(name)
    return importlib.import_module("dns")


def _server(configured: str | None) -> tuple[str, int] | None:
    text = _first_server(_RESOLV_CONF) if configured is None else configured
    return split_name_server(text) if text else None


def _first_server(resolv_conf: Path) -> str | None:
    return next((each[1] for each in _entries(resolv_conf) if len(each) > 1 and each[0] == "nameserver"), None)


def _is_podman(resolv_conf: Path) -> bool:
    return any(each[0] == "search" and _PODMAN in each for each in _entries(resolv_conf))


def _entries(resolv_conf: Path) -> list[list[str]]:
    try:
        lines = resolv_conf.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    return [words for line in lines if (words := line.split())]
