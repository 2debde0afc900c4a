"""Questions to one name server over one socket, as many at once as there are callers. The only one that names `dns`.

dnspython makes and reads the messages; it takes some 30 ms to load, which a thread does when the first question is
asked. Answers of Docker's name server come in less than a millisecond, or after those that it asks itself.
"""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.nameservers import split_name_server

if TYPE_CHECKING:
    from collections.abc import Callable

_DOCKER: Final = "127.0.0.11"
_FILE: Final = Path("/etc/resolv.conf")
_LIBRARY: Final = ("dns.message", "dns.reversename", "dns.rdtypes.ANY.PTR", "dns.rdtypes.IN.A", "dns.rdtypes.IN.AAAA")
# More answers at once than this might not fit into the socket's buffer.
_AT_ONCE: Final = 128
# A service of many replicas has more addresses than the 512 bytes hold that everybody takes.
_ANSWER_BYTES: Final = 4096
_NO_ERROR, _NO_SUCH_NAME = 0, 3


class NameServer:
    """Asks the configured name server.

    Args:
        configured: Gives the setting: `ADDRESS` or `ADDRESS:PORT`; None for the system's, empty for none.
        patience_seconds: How long an answer may take.
    """

    def __init__(self, configured: Callable[[], str | None], patience_seconds: float) -> None:
        self._configured = configured
        self._patience_seconds = patience_seconds
        self._line: _Line | None = None
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._connecting = asyncio.Lock()

    def is_engine(self) -> bool:
        """Whether it is the one that Docker puts into every container's network namespace."""
        server = _parsed(self._configured())
        return server is not None and server[0] == _DOCKER

    async def name_of(self, address: str) -> str | None:
        """The name of an address; None when it has none.

        Raises:
            OSError: No answer, or one that says neither.
        """
        names = await self._ask(lambda dns: dns.reversename.from_address(address), "PTR")
        return min(names - {"."}, default=None)  # the root is nobody's name

    async def addresses_of(self, name: str) -> frozenset[str]:
        """The addresses of a name, of both families.

        Raises:
            OSError: No answer, or one that says neither.
        """
        found = await asyncio.gather(*(self._ask(lambda _: name, kind) for kind in ("A", "AAAA")))
        return frozenset().union(*found)

    def close(self) -> None:
        """Close the socket."""
        if self._line is not None:
            self._line.close()

    async def _ask(self, subject: Callable[[Any], Any], kind: str) -> frozenset[str]:
        async with self._places:
            line = await self._connected()
            if line is None:
                return frozenset()
            try:
                query = line.dns.message.make_query(subject(line.dns), kind, use_edns=0, payload=_ANSWER_BYTES)
            except line.dns.exception.DNSException as error:
                raise OSError(f"that is no name: {error}") from error
            async with asyncio.timeout(self._patience_seconds):
                answer = await line.ask(query)
        if answer.rcode() not in {_NO_ERROR, _NO_SUCH_NAME}:
            raise OSError(f"the name server refuses to answer ({answer.rcode()})")
        asked = query.question[0].rdtype
        return frozenset(record.to_text() for found in answer.answer if found.rdtype == asked for record in found)

    async def _connected(self) -> _Line | None:
        server = _parsed(self._configured())
        async with self._connecting:  # so that many at once do not open many sockets
            if self._line is not None and (self._line.server != server or self._line.closed):
                self._line.close()
                self._line = None
            if self._line is None and server is not None:
                dns = await asyncio.to_thread(_load)
                loop = asyncio.get_running_loop()
                _, self._line = await loop.create_datagram_endpoint(lambda: _Line(server, dns), remote_addr=server)
            return self._line


class _Line(asyncio.DatagramProtocol):
    """One socket to one server."""

    def __init__(self, server: tuple[str, int], dns: Any) -> None:
        self.server = server
        self.dns = dns
        self.closed = False
        self._awaited: dict[int, tuple[Any, asyncio.Future[Any]]] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    async def ask(self, query: Any) -> Any:
        """The answer to a query."""
        while query.id in self._awaited:
            query.id = (query.id + 1) & 0xFFFF
        answer = asyncio.get_running_loop().create_future()
        self._awaited[query.id] = query, answer
        try:
            self._transport.sendto(query.to_wire())
            return await answer
        finally:
            del self._awaited[query.id]

    def datagram_received(self, data: bytes, _address: Any) -> None:
        try:
            message = self.dns.message.from_wire(data)
        except self.dns.exception.DNSException:
            return  # whatever it is, it is no answer
        query, waiting = self._awaited.get(message.id, (None, None))
        if query is not None and waiting is not None and not waiting.done() and query.is_response(message):
            waiting.set_result(message)

    def error_received(self, exc: Exception) -> None:
        for _, waiting in self._awaited.values():
            if not waiting.done():
                waiting.set_exception(OSError(f"no name server answers there: {exc}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.error_received(exc or OSError("closed"))

    def close(self) -> None:
        """Close it."""
        self.closed = True
        self._transport.close()


def _load() -> Any:
    for name in _LIBRARY:
        importlib.import_module(name)
    return importlib.import_module("dns")


def _parsed(configured: str | None) -> tuple[str, int] | None:
    if configured is None:
        configured = _first_of(_FILE)
    if not configured:
        return None
    return split_name_server(configured)


def _first_of(file: Path) -> str | None:
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    words = (line.split() for line in lines)
    return next((each[1] for each in words if len(each) > 1 and each[0] == "nameserver"), None)
