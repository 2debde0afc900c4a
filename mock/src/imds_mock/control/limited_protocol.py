"""An HTTP connection of the control plane, with limits that uvicorn does not have.

Any host on the network can connect, and access is decided only when the headers of a request are complete. Therefore
headers are limited in size and time, and connections in number (`connection_slots`).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    import asyncio

    from imds_mock.control.access import AccessGuard
    from imds_mock.control.connection_slots import ConnectionSlots

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together."""

HEAD_SECONDS: Final = 10.0
"""From connecting to the end of the headers, for peers with priority and clients with access."""

OTHERS_HEAD_SECONDS: Final = 2.0
"""The same for all other peers."""


_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)

_LOGGER: Final = logging.getLogger("imds_mock.control")
_LOGGER.setLevel(logging.ERROR)


class _UntilClosed:
    """A transport that drops data while it closes, where the event loop's own raises an exception.

    A response can be ready after its connection was closed by the client or because of a malformed next request.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send data, or drop it."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class LimitedProtocol(HttpToolsProtocol):
    """Serves one client within the limits.

    Args:
        guard: Decides who has access.
        slots: The listener's connection slots.
        uvicorn_arguments: uvicorn's own arguments.
    """

    address = ""
    _has_priority = True
    _head_bytes = 0
    _in_head = True
    _timeout: asyncio.TimerHandle | None = None

    def __init__(self, *, guard: AccessGuard, slots: ConnectionSlots, **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        # uvicorn's own logger would warn of malformed requests from clients without access.
        self.logger = _LOGGER
        self.access_log = False
        self._guard = guard
        self._slots = slots

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Called by the event loop."""
        super().connection_made(cast("asyncio.Transport", _UntilClosed(transport)))
        self.address = self.client[0] if self.client else ""
        self._has_priority = self._slots.add(self)
        self._await_head()

    def drop(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._cancel_timeout()
        self._slots.remove(self)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never answers a client that has half-closed
        """Called by the event loop when the client has sent its last byte.

        Returns:
            Whether its last request is complete and still needs a response.
        """
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.more_body or cycle.response_started:
            return False
        cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._in_head:
            self._head_bytes += len(data)
            data = _without_upgrade(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if not self._in_head:
            self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._in_head, self._head_bytes = False, 0
        self._cancel_timeout()
        if not self._has_priority and self._guard.refusal(self.scope) is None:
            self._has_priority = True
            self._slots.promote(self)
        super().on_headers_complete()
        # A browser loads the page's files over a few connections; the rate of new ones is limited.
        if not self._has_priority and not self._guard.needs_no_token(self.scope):
            self.cycle.keep_alive = False

    def _await_head(self) -> None:
        self._in_head = True
        self._cancel_timeout()
        seconds = HEAD_SECONDS if self._has_priority else OTHERS_HEAD_SECONDS
        self._timeout = self.loop.call_later(seconds, self.transport.abort)

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None


def _without_upgrade(data: bytes) -> bytes:
    """Rename an `Upgrade` header: the control plane ignores it, but the parser would skip the body of the request.

    Java's HTTP client sends it with the first request of every connection (`Upgrade: h2c`).
    """
    head, separator, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nIgnored:", head) + separator + body
