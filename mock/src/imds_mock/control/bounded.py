"""What a connection to the control plane may cost: uvicorn sets no bound, and anybody in the network can connect.

Who may use the control plane is decided when a request's head is complete. So the head is bounded in bytes and time,
and connections in number: whatever neighbours do, the data plane keeps its descriptors and the mock its memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    import asyncio

    from imds_mock.control.access import Access
    from imds_mock.control.places import Places

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together."""

HEAD_SECONDS: Final = 10.0
"""From connecting to the end of the headers, for near peers and clients with access."""

FAR_HEAD_SECONDS: Final = 2.0
"""The same for others."""


class _UntilClosed:
    """A transport that takes no more data once it closes, where the event loop's own raises an exception.

    A request can be answered after its connection was closed: by the client, or because what came after it was bad.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send data, or drop it."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedProtocol(HttpToolsProtocol):
    """Serves one client, within bounds.

    Args:
        guard: Tells who has access.
        places: The places of the listener.
        uvicorns: uvicorn's own arguments.
    """

    address = ""
    _is_near = True
    _head_bytes = 0
    _in_head = True
    _expiry: asyncio.TimerHandle | None = None

    def __init__(self, *, guard: Access, places: Places, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._guard = guard
        self._places = places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Called by the event loop."""
        super().connection_made(cast("asyncio.Transport", _UntilClosed(transport)))
        self.address = self.client[0] if self.client else ""
        self._is_near = self._places.take(self)
        self._await_head()

    def drop(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._stop_waiting()
        self._places.leave(self)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never answers a client that has half-closed
        """Called by the event loop when the client has sent all that it will send.

        Returns:
            Whether its last request is complete and is still to be answered.
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
        self._stop_waiting()
        if not self._is_near and self._guard.refusal(self.scope) is None:
            self._is_near = True
            self._places.move_near(self)
        super().on_headers_complete()
        if not self._is_near:
            self.cycle.keep_alive = False

    def _await_head(self) -> None:
        self._in_head = True
        self._stop_waiting()
        seconds = HEAD_SECONDS if self._is_near else FAR_HEAD_SECONDS
        self._expiry = self.loop.call_later(seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
