"""One TCP connection of the data plane: reads requests and sends responses; `states` has the table of its states.

The real service closes the connection after each response unless the request has `Connection: keep-alive`; then its
response has no `Connection` header (captured). Responses keep the order of the requests, even if one has to wait.
"""

from __future__ import annotations

import asyncio
from sys import intern
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from imds_mock.service.messages import Delivery
from imds_mock.service.responses import refusal
from imds_mock.wire.delayed import DelayedResponse, HalfClosedClient
from imds_mock.wire.parsing import BAD_REQUEST, RequestParser
from imds_mock.wire.states import ACTIVE, CLOSED, CLOSING, CONFIRMING, ENDED, IDLE, NEW, NEXT, READABLE, STALLED, Event
from imds_mock.wire.writing import ResponseWriter

if TYPE_CHECKING:
    from imds_mock.service.messages import Request, Response
    from imds_mock.wire.context import Cancellable, ServerContext

# Pipelined requests are answered in slices of this size, so that a client that does not read is noticed.
_SLICE_BYTES: Final = 4096
_LINGER_SECONDS: Final = 2.0

# Attributes of an enumeration are slow to get before Python 3.12.
_SEND, _BEGIN, _COMPLETE, _CLOSE, _LOSE = Delivery.SEND, Event.BEGIN, Event.COMPLETE, Event.CLOSE, Event.LOSE


class Connection(ResponseWriter, asyncio.Protocol):
    """Serves one client.

    Args:
        context: What it shares with the other connections.

    Attributes:
        state, half_closed: See `DelayingConnection`.
        deadline: When it times out, on the event loop's clock; the listener then calls `expire`.
        last_active: When its last request was answered or the next one began, or when it opened.
    """

    __slots__ = ("_caller", "_context", "_is_blocked", "_later", "_parser", "_pending", "_unread", "deadline",
                 "half_closed", "last_active", "state")  # fmt: skip

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._parser = RequestParser(context.limits, context.parse_cache)
        self.state = NEW
        self._unread = b""
        self._is_blocked = False  # the client does not read, so the mock does not either
        self.half_closed: HalfClosedClient | None = None
        self._pending: Cancellable | None = None  # what the state waits for
        self._later: tuple[Request, ...] = ()  # requests to answer after the wait
        self.last_active = context.monotonic()
        self.deadline = self.last_active + context.timeouts.head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Identify the caller; called by the event loop."""
        self.attach(cast("asyncio.Transport", transport))
        peer = transport.get_extra_info("peername")
        self._caller = intern(peer[0]) if peer else "-"  # one string for all journal entries of this caller
        self._context.connections.add(self)
        pending = self._context.identify_caller(self._caller, self._on_ready)
        if pending is not None:
            self.advance(Event.IDENTIFY, pending)

    def data_received(self, data: bytes) -> None:
        """Answer what arrives, or keep it for later; called by the event loop."""
        if self.state in READABLE and not self._is_blocked:
            if len(data) <= _SLICE_BYTES:
                self._answer_all(perf_counter(), self._parser.feed(data))
            else:
                self._answer_slices(data)
        elif self.state not in ENDED:
            self._unread += data
            if len(self._unread) > _SLICE_BYTES:
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Keep the connection open if a response is still to come; called by the event loop."""
        if self.state in READABLE and not self._unread:
            self.advance(_CLOSE)
        if self.state in ENDED and (self.state is not STALLED or self._context.is_stopping):
            return False
        self.half_closed = HalfClosedClient(self._transport, self.abort)
        if isinstance(self._pending, DelayedResponse):
            self._pending.probe()
        return True

    def pause_writing(self) -> None:
        """Stop reading because the client does not read; called by the event loop."""
        self._is_blocked = True
        self.deadline = self._context.monotonic() + self._context.timeouts.write
        if self.state not in ENDED:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on because the client has read; called by the event loop."""
        self._is_blocked = False
        if self.state in READABLE:
            self.deadline = self._context.monotonic() + self._context.timeouts.idle
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the event loop's signature
        """Cancel what is pending; called by the event loop."""
        self.advance(_LOSE)
        self._parser.close()
        self._context.remove(self)

    def stop(self, new_since: float) -> None:
        """Close the connection unless it is busy, or is unused and opened after `new_since`."""
        is_unused = self.state is IDLE or (self.state is NEW and self.last_active < new_since)
        if self.state is STALLED or (is_unused and not self._transport.get_write_buffer_size()):
            self._close()

    def expire(self) -> None:
        """Close the connection because it has timed out or its place is needed."""
        if self.state in ENDED or self.state is CONFIRMING or self._transport.get_write_buffer_size():
            self.abort()
        else:
            self._close()

    def abort(self) -> None:
        """Reset the connection and drop what is not sent."""
        if self.state is not CLOSED:
            self.advance(_LOSE)
            self.reset()

    def advance(self, event: Event, pending: Cancellable | None = None, timeout: float | None = None) -> None:
        """Enter the next state, which may wait for something pending and time out after some seconds."""
        if self._pending is not None and event in {_CLOSE, _LOSE}:
            self._pending.cancel()
        self.state = NEXT[self.state][event]
        self._pending = pending
        if timeout is not None:
            self.deadline = self._context.monotonic() + timeout

    def _on_ready(self) -> None:
        self.advance(Event.READY)
        self.answer_later(perf_counter())

    def answer_later(self, began: float) -> None:
        """Answer the requests that had to wait since `began` (on the clock of `perf_counter`), and read on."""
        later, self._later = self._later, ()
        if self.state in READABLE:
            self._answer_all(began, later)
        else:
            self.flush()
            if self.state is CLOSING:
                self._shut_down()
        self._read_on()

    def _read_on(self) -> None:
        data, self._unread = self._unread, b""
        self._answer_slices(data)
        if self.state in READABLE and not self._is_blocked:
            if self.half_closed is not None or (self.state is NEW and self._context.is_stopping):
                self._close()
            else:
                self._transport.resume_reading()

    def _answer_slices(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE_BYTES):
            if self.state not in READABLE or self._is_blocked:
                self._unread = data[start:]
                return
            self._answer_all(perf_counter(), self._parser.feed(data[start : start + _SLICE_BYTES]))

    def _answer_all(self, began: float, requests: tuple[Request, ...]) -> None:
        context, state, parser = self._context, self.state, self._parser
        later = iter(requests)
        for request in later:
            self._answer(request, began)
            if self.state is not state:
                self._later += tuple(later) if len(requests) > 1 else ()
                break
        else:
            if parser.failure is not None:
                self._refuse(parser.failure, began)
        self.flush()
        if self.state is CLOSING:
            self._shut_down()
        elif self.state is state:
            is_partial = not parser.at_boundary
            if requests or is_partial != (state is ACTIVE):
                if is_partial or state is not IDLE:
                    self.state = NEXT[state][_BEGIN if is_partial else _COMPLETE]
                self.last_active = context.monotonic()
                if not self._is_blocked:
                    self.deadline = self.last_active + (context.timeouts.head if is_partial else context.timeouts.idle)

    def _answer(self, request: Request, began: float) -> None:
        context = self._context
        if request.wants_credentials:
            pending = context.await_credentials(self._caller, self._on_ready)
            if pending is not None:
                self.advance(Event.AWAIT_CREDENTIALS, pending, context.timeouts.write)
                self._later = (request,)
                return
        now = context.wall_clock()
        try:
            response = context.respond(request, self._caller, now)
        except Exception as error:  # noqa: BLE001 - whatever fails, the client gets a response
            context.report_error(error)
            response = refusal(500)
        if response.delay_seconds:
            delayed = DelayedResponse(self, request, response, now, began)
            self.advance(Event.DELAY, delayed, response.delay_seconds + context.timeouts.write)
        else:
            self.deliver(request, response, now)
            self.record(request, response, now, perf_counter() - began)

    def deliver(self, request: Request, response: Response, now: float) -> None:
        """Write a response, or do what a fault says instead."""
        if response.delivery is _SEND:
            is_last = not request.keep_alive or self._context.is_stopping
            if is_last or response.cut_after is not None:
                self.state = NEXT[self.state][_CLOSE]
            headers = self._context.connection_headers
            self.write(response, request.method, headers.closing(now) if is_last else headers.staying(now))
        elif response.delivery is Delivery.STALL:
            self.advance(Event.STALL, timeout=self._context.timeouts.idle)
        else:
            self.abort()

    def _refuse(self, status: int, began: float) -> None:
        self.state = NEXT[self.state][_CLOSE]
        if self._parser.in_body:
            return  # the request has been answered already
        now = self._context.wall_clock()
        response = self._context.malformed_response if status == BAD_REQUEST else refusal(status)
        self.write(response, "", self._context.connection_headers.closing(now))
        self.record(None, response, now, perf_counter() - began)

    def record(self, request: Request | None, response: Response, now: float, seconds: float) -> None:
        """Tell the observers of a response, which took so many seconds."""
        microseconds = int(seconds * 1_000_000)
        for observe in self._context.observers:
            observe(now, self._caller, request, response, microseconds)

    def _close(self) -> None:
        self.advance(_CLOSE)
        self._shut_down()

    def _shut_down(self) -> None:
        is_sent = self.close(is_receiving=self._parser.in_body or self._parser.failure is not None)
        self.deadline = self._context.monotonic() + (_LINGER_SECONDS if is_sent else self._context.timeouts.write)
