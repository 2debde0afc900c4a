"""One TCP connection of the data plane: reads requests and sends responses; `lifecycle` has its states and timeouts.

The real service closes the connection after each response unless the request has `Connection: keep-alive`; then its
response has no `Connection` header (captured). Responses keep the order of the requests, even if one has to wait.
"""

from __future__ import annotations

import asyncio
from sys import intern
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Delivery
from imds_mock.service.responses import refusal
from imds_mock.wire.delayed import DelayedResponse, HalfClosedClient
from imds_mock.wire.lifecycle import ConnectionLifecycle
from imds_mock.wire.parsing import BAD_REQUEST
from imds_mock.wire.states import ACTIVE, CLOSING, ENDED, IDLE, NEW, NEXT, READABLE, STALLED, Event

if TYPE_CHECKING:
    from imds_mock.service.messages import Request
    from imds_mock.wire.context import ServerContext
    from imds_mock.wire.states import State

# Pipelined requests are answered in slices of this size, so that a client that does not read is noticed.
_SLICE_BYTES: Final = 4096

# Attributes of an enumeration are slow to get before Python 3.12.
_SEND, _BEGIN, _COMPLETE, _CLOSE, _LOSE = Delivery.SEND, Event.BEGIN, Event.COMPLETE, Event.CLOSE, Event.LOSE


class Connection(ConnectionLifecycle, asyncio.Protocol):
    """Serves one client.

    Args:
        context: What it shares with the other connections.

    Attributes:
        half_closed: See `DelayingConnection`.
    """

    __slots__ = ("_caller", "_later", "_unread", "half_closed")

    def __init__(self, context: ServerContext) -> None:
        self.open(context)
        self._unread = b""
        self.half_closed: HalfClosedClient | None = None
        self._later: tuple[Request, ...] = ()  # requests to answer after the wait

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
        began, context, state = perf_counter(), self._context, self.state
        if (state is IDLE or state is NEW) and not self._is_blocked and not context.is_stopping:
            now = context.wall_clock()
            exchange = context.sent_before(self._caller, data, now)
            if exchange is not None:
                self.send_again(exchange, now)
                self.record(exchange, now, perf_counter() - began)
                self._complete(state, exchange)
                return
        if state in READABLE and not self._is_blocked:
            if len(data) <= _SLICE_BYTES:
                requests = self._parser.feed(data)
                self._answer_all(began, requests, data if self._parser.is_repeated else b"")
            else:
                self._answer_slices(data)
        elif state not in ENDED:
            self._unread += data
            if len(self._unread) > _SLICE_BYTES:
                self._transport.pause_reading()

    def _complete(self, state: State, exchange: Exchange) -> None:
        if exchange.closes:
            self.close_soon()
            return
        if state is not IDLE:
            self.state = NEXT[state][_COMPLETE]
        self.last_active = self._context.monotonic()
        if not self._is_blocked:
            self.deadline = self.last_active + self._context.timeouts.idle

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
                self.shut_down()
        self._read_on()

    def _read_on(self) -> None:
        data, self._unread = self._unread, b""
        self._answer_slices(data)
        if self.state in READABLE and not self._is_blocked:
            if self.half_closed is not None or (self.state is NEW and self._context.is_stopping):
                self.close_soon()
            else:
                self._transport.resume_reading()

    def _answer_slices(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE_BYTES):
            if self.state not in READABLE or self._is_blocked:
                self._unread = data[start:]
                return
            self._answer_all(perf_counter(), self._parser.feed(data[start : start + _SLICE_BYTES]))

    def _answer_all(self, began: float, requests: tuple[Request, ...], data: bytes = b"") -> None:
        context, state, parser = self._context, self.state, self._parser
        later = iter(requests)
        for request in later:
            self._answer(request, began, data)
            if self.state is not state:
                self._later += tuple(later) if len(requests) > 1 else ()
                break
        else:
            if parser.failure is not None:
                self._refuse(parser.failure, began)
        self.flush()
        if self.state is CLOSING:
            self.shut_down()
        elif self.state is state:
            is_partial = not parser.at_boundary
            if requests or is_partial != (state is ACTIVE):
                if is_partial or state is not IDLE:
                    self.state = NEXT[state][_BEGIN if is_partial else _COMPLETE]
                self.start_timeout(context.timeouts.head if is_partial else context.timeouts.idle)

    def _answer(self, request: Request, began: float, data: bytes) -> None:
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
        exchange = Exchange(self._caller, request, response)
        if response.delay_seconds:
            delayed = DelayedResponse(self, exchange, now, began)
            self.advance(Event.DELAY, delayed, response.delay_seconds + context.timeouts.write)
        else:
            sent = self.deliver(exchange, now)
            if data and sent:
                context.keep_sent(exchange, data, sent, now)
            self.record(exchange, now, perf_counter() - began)

    def deliver(self, exchange: Exchange, now: float) -> bytes:
        """Write a response and return its bytes, or do what a fault says instead."""
        response = exchange.response
        if response.delivery is _SEND:
            is_last = exchange.closes or self._context.is_stopping
            if is_last or response.cut_after is not None:
                self.state = NEXT[self.state][_CLOSE]
            headers = self._context.connection_headers
            return self.write(response, exchange.method, headers.closing(now) if is_last else headers.staying(now))
        if response.delivery is Delivery.STALL:
            self.advance(Event.STALL, timeout=self._context.timeouts.idle)
        else:
            self.abort()
        return b""

    def _refuse(self, status: int, began: float) -> None:
        self.state = NEXT[self.state][_CLOSE]
        if self._parser.in_body:
            return  # the request has been answered already
        now = self._context.wall_clock()
        try:
            response = self._context.respond_to_malformed(self._caller) if status == BAD_REQUEST else refusal(status)
        except Exception as error:  # noqa: BLE001 - as for a request
            self._context.report_error(error)
            response = refusal(500)
        self.write(response, "", self._context.connection_headers.closing(now))
        self.record(Exchange(self._caller, None, response), now, perf_counter() - began)

    def record(self, exchange: Exchange, now: float, seconds: float) -> None:
        """Tell the observers of a response, which took so many seconds."""
        microseconds = int(seconds * 1_000_000)
        for observe in self._context.observers:
            observe(now, exchange, microseconds)
