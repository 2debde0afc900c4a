"""The sending side of a connection of the data plane: what it writes, how far its packets go, and how it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from imds_mock.service.messages import Delivery
from imds_mock.wire.clientsocket import reset, set_hop_limit
from imds_mock.wire.writing import write

if TYPE_CHECKING:
    from imds_mock.service.messages import Request, Response
    from imds_mock.wire.context import ServerContext
    from imds_mock.wire.parsing import RequestParser

SEND: Final = Delivery.SEND  # an attribute of an enumeration is slow to get before Python 3.12
_LINGER_SECONDS: Final = 2.0


class Sending(asyncio.Protocol):
    """Sends responses to one client.

    Attributes:
        deadline: On the event loop's clock; the data plane calls `expire` when it has passed.
    """

    __slots__ = ("_context", "_ended", "_lowered", "_out", "_parser", "_stalled", "_transport", "deadline")

    _context: ServerContext
    _transport: asyncio.Transport
    _parser: RequestParser
    _out: list[bytes]
    _ended: bool  # the last response is given: what still arrives is dropped
    _stalled: bool  # the last response never arrives
    _lowered: bool  # the hop limit is not the system's
    deadline: float

    def expire(self) -> None:
        """End the connection because its time is over."""
        if self._ended or self._unsent():
            self.abort()
        else:
            self._close()

    def abort(self) -> None:
        """End the connection with a reset, whatever was still to be sent."""
        self._ended = True
        self._out = []
        reset(self._transport)

    def _deliver(self, request: Request, response: Response, now: float) -> None:
        context = self._context
        if response.delivery is SEND:
            if response.hop_limit is not None:
                self._set_hop_limit(response.hop_limit)
            if request.keep_alive and not context.is_stopping:
                passing = context.connection_headers.staying(now)
                if response.cut_after is not None:
                    self._ended = True
            else:
                self._ended = True
                passing = context.connection_headers.closing(now)
            write(self._out, response, passing, request.method)
        elif response.delivery is Delivery.STALL:
            self._ended = self._stalled = True
            self.deadline = context.monotonic() + context.timeouts.idle
        else:
            self.abort()

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out = []

    def _close(self) -> None:
        """Close when everything is sent; let a client that is still sending read its response first."""
        self._ended = True
        now, timeouts = self._context.monotonic(), self._context.timeouts
        if self._stalled or self._unsent():
            self.deadline = now + timeouts.write
        else:
            self.deadline = now + _LINGER_SECONDS
        if self._parser.in_body or self._parser.failure is not None:
            # Closing with unread bytes resets the connection, and the client may lose the response.
            self._transport.resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    def _unsent(self) -> bool:
        return self._transport.get_write_buffer_size() > 0

    def _set_hop_limit(self, hop_limit: int | None) -> None:
        self._flush()
        self._lowered = hop_limit is not None
        set_hop_limit(self._transport, hop_limit)
