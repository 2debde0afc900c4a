"""One TCP connection of the data plane: reads requests, answers them, keeps to the limits and the clock.

The real service closes after each answer unless the request asks for `Connection: keep-alive`; then its answer has no
`Connection` header (captured). Responses do not wait for a body (but for ECS's agent, see `parsing`), so only the
socket, the first look-up of the caller, credentials that are being fetched and armed delays are asynchronous.
"""

from __future__ import annotations

from sys import intern
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from imds_mock.service.answers import page, refusal
from imds_mock.wire.holding import Holding
from imds_mock.wire.parsing import BAD_REQUEST, RequestParser
from imds_mock.wire.writing import write

if TYPE_CHECKING:
    import asyncio

    from imds_mock.service.messages import Request
    from imds_mock.wire.context import ServerContext

# Pipelined requests are answered in slices of this size, so that a client that does not read its answers is noticed.
_SLICE: Final = 4096


class Connection(Holding):
    """Serves one client.

    Args:
        context: What it shares with the others.

    Attributes:
        last_active: When the last request was answered, or the connection opened, on the event loop's clock.
    """

    __slots__ = ("_opened", "_partial", "_paused", "_unread", "last_active")

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._parser = RequestParser(context.limits, context.parse_cache)
        self._out = []
        self._unread = b""
        self._paused = False  # the client does not read: neither do we
        self._partial = False  # part of a request has arrived
        self._half_closed = None
        self._ended = False
        self._stalled = False
        self._held = None
        self._kept = None
        self._later = ()
        self._lowered = False
        self.last_active = self._opened = context.monotonic()
        self.deadline = self.last_active + context.timeouts.head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._caller = intern(peer[0]) if peer else "-"  # one text for all entries of the journal about this caller
        self._context.connections.add(self)
        self._held = self._context.identify_caller(self._caller, self._acquainted)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._ended:
            return
        if self._paused or self._held:
            self._unread += data
            if len(self._unread) > _SLICE:
                self._transport.pause_reading()
        elif len(data) <= _SLICE:
            self._answer_all(perf_counter(), self._parser.feed(data))
        else:
            self._take_in_slices(data)

    def pause_writing(self) -> None:
        """Called by the event loop when the client does not read."""
        self._paused = True
        self.deadline = self._context.monotonic() + self._context.timeouts.write
        if not self._ended:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by the event loop when the client has read."""
        self._paused = False
        if not self._ended and not self._held:
            self.deadline = self._context.monotonic() + self._context.timeouts.idle
        self._read_on()

    def stop(self, new_since: float) -> None:
        """Close unless a request or a response is under way, or the first request may be.

        Args:
            new_since: A connection that opened later and has sent nothing yet stays open, on the event loop's clock.
        """
        is_new = self.last_active == self._opened >= new_since
        is_busy = self._ended or self._partial or self._unread or self._held or self._unsent()
        if self._stalled or not (is_busy or is_new):
            self._close()

    def _take_in_slices(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE):
            if self._ended:
                return
            if self._paused or self._held:
                self._unread = data[start:]
                return
            self._answer_all(perf_counter(), self._parser.feed(data[start : start + _SLICE]))

    def _acquainted(self) -> None:
        self._held = None
        if self._context.is_stopping and not self._unread:
            self._close()
        else:
            self._read_on()

    def _read_on(self) -> None:
        if self._may_read():
            data, self._unread = self._unread, b""
            self._take_in_slices(data)
        if self._may_read():
            if self._half_closed is not None:
                self._close()
            else:
                self._transport.resume_reading()

    def _may_read(self) -> bool:
        return not (self._paused or self._held or self._ended)

    def _answer_all(self, began: float, requests: tuple[Request, ...]) -> None:
        later = iter(requests)
        for request in later:
            if request.wants_credentials and self._postpone(request, later):
                self._flush()
                return
            self._answer(request, began)
            if self._held:
                self._later = tuple(later)
                self._flush()
                return
            if self._ended:
                break
        else:
            if self._parser.failure is not None and not self._ended:
                self._refuse(self._parser.failure, began)
        self._flush()
        if not self._ended:
            self._await_more(requests)
        elif not self._stalled:
            self._close()

    def _answer(self, request: Request, began: float) -> None:
        context = self._context
        if self._lowered:
            # Not earlier: a retransmission of the token answer has to carry its hop limit as well.
            self._set_hop_limit(None)
        now = context.wall_clock()
        try:
            response = context.respond(request, self._caller, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the others theirs
            context.report_error(error)
            response = refusal(500)
        if response.delay_seconds:
            self._hold(request, response, now, began)
        else:
            self._deliver(request, response, now)
            self._note(request, response, now, perf_counter() - began)

    def _refuse(self, status: int, began: float) -> None:
        self._ended = True
        if self._parser.in_body:
            return  # its request has been answered already
        context = self._context
        now = context.wall_clock()
        response = refusal(status)
        if status == BAD_REQUEST:
            response = context.malformed_response or page(status, context.bad_request_content_type)
        write(self._out, response, context.connection_headers.closing(now), "")
        self._note(None, response, now, perf_counter() - began)

    def _await_more(self, answered: tuple[Request, ...]) -> None:
        partial = not self._parser.at_boundary
        if answered or (partial and not self._partial):
            now, timeouts = self._context.monotonic(), self._context.timeouts
            if not self._paused:
                self.deadline = now + (timeouts.head if partial else timeouts.idle)
            if answered:
                self.last_active = now
        self._partial = partial
