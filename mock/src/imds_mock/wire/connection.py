"""One TCP connection of the data plane: reads requests, writes answers, keeps to the limits and the clock.

The real service closes after each answer unless the request asks for `Connection: keep-alive`; then its answer has no
`Connection` header (captured). Answers never wait for a body, so nothing here is asynchronous but the socket, and
perhaps, once at its beginning, who is at its other end.
"""

from __future__ import annotations

import asyncio
from sys import intern
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

import msgspec

from imds_mock.service.answers import page, refusal
from imds_mock.service.messages import Delivery
from imds_mock.wire.clientsocket import reset, set_hop_limit
from imds_mock.wire.halfclosed import HalfClosed
from imds_mock.wire.parsing import BAD_REQUEST, RequestParser
from imds_mock.wire.writing import write

if TYPE_CHECKING:
    from imds_mock.service.messages import Request, Response
    from imds_mock.wire.terms import Cancellable, Terms

# Pipelined requests are answered in slices of this size, so that a client that does not read its answers is noticed.
_SLICE: Final = 4096
_SEND: Final = Delivery.SEND  # an attribute of an enumeration is slow to get before Python 3.12
_LINGER_SECONDS: Final = 2.0


class Connection(asyncio.Protocol):
    """Serves one client.

    Args:
        terms: What it shares with the others.

    Attributes:
        deadline: On the event loop's clock; whoever watches it calls `expire` when it has passed.
        last_request: When the last request was answered, or the connection opened.
    """

    __slots__ = ("_caller", "_ended", "_half_closed", "_held", "_kept", "_later", "_lowered", "_opened", "_out",
                 "_parser", "_partial", "_paused", "_stalled", "_terms", "_transport", "_unread", "deadline",
                 "last_request")  # fmt: skip

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._parser = RequestParser(terms.limits, terms.memo)
        self._out: list[bytes] = []
        self._unread = b""
        self._paused = False  # the client does not read: neither do we
        self._partial = False  # part of a request has arrived
        self._half_closed: HalfClosed | None = None  # the client sends nothing more, and may still read
        self._ended = False  # the last answer is given: what still arrives is dropped
        self._stalled = False  # the last answer never arrives
        self._held: Cancellable | None = None  # an answer is held back, or its client being found out
        self._kept: tuple[Request, Response, float, float] | None = None  # the answer held back, as `_deliver` takes it
        self._later: tuple[Request, ...] = ()  # what is answered after it
        self._lowered = False  # the hop limit is not the system's
        self.last_request = self._opened = terms.monotonic()
        self.deadline = self.last_request + terms.timeouts.head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._caller = intern(peer[0]) if peer else "-"  # one text for all entries of the journal about this caller
        self._terms.open.add(self)
        self._held = self._terms.acquaint(self._caller, self._acquainted)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the event loop's signature
        """Called by the event loop."""
        self._ended = True
        self._parser.close()
        if self._held is not None:
            self._held.cancel()
            if self._kept is not None:
                # Whether an application gives up, and after how long, is what a delay is armed for.
                request, response, now, began = self._kept
                abandoned = msgspec.structs.replace(response, delivery=Delivery.ABANDONED)
                self._note(request, abandoned, now, began, self._half_closed.since if self._half_closed else None)
        if self._half_closed is not None:
            self._half_closed.cancel()
        terms = self._terms
        terms.open.discard(self)
        if terms.drained is not None and not terms.open:
            terms.drained.set()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._ended:
            return
        if self._paused or self._held:
            self._unread += data
            if len(self._unread) > _SLICE:
                self._transport.pause_reading()
        elif len(data) <= _SLICE:
            self._take(data)
        else:
            self._take_in_slices(data)

    def eof_received(self) -> bool:
        """Called by the event loop when the client has said all that it wanted.

        Returns:
            Whether it is still going to be answered.
        """
        if self._held is None and (not self._stalled or self._terms.stopping):
            return False  # everything is answered, and gets sent before the connection closes
        self._half_closed = HalfClosed(self._transport, self.abort)
        self._ask_whether_it_reads()
        return True

    def pause_writing(self) -> None:
        """Called by the event loop when the client does not read."""
        self._paused = True
        self.deadline = self._terms.monotonic() + self._terms.timeouts.write
        if not self._ended:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by the event loop when the client has read."""
        self._paused = False
        if not self._ended and not self._held:
            self.deadline = self._terms.monotonic() + self._terms.timeouts.idle
        self._read_on()

    def stop(self, new_since: float) -> None:
        """Close unless a request or a response is under way, or the first request may be.

        Args:
            new_since: A connection that opened later and has sent nothing yet stays open, on the event loop's clock.
        """
        is_new = self.last_request == self._opened >= new_since
        is_busy = self._ended or self._partial or self._unread or self._held or self._unsent()
        if self._stalled or not (is_busy or is_new):
            self._close()

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

    def _take_in_slices(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE):
            if self._ended:
                return
            if self._paused or self._held:
                self._unread = data[start:]
                return
            self._take(data[start : start + _SLICE])

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

    def _take(self, data: bytes) -> None:
        began = perf_counter()
        self._answer_all(self._parser.feed(data), began)

    def _answer_all(self, requests: tuple[Request, ...], began: float) -> None:
        for place, request in enumerate(requests):
            self._held = self._terms.postpone(request, self._caller, self._resume)
            if self._held:
                self.deadline = self._terms.monotonic() + self._terms.timeouts.write
                self._later = requests[place:]
                self._flush()
                return
            self._answer(request, began)
            if self._held:
                # The others have come, but answers keep the order of requests.
                self._later = requests[place + 1 :]
                self._flush()
                return
            if self._ended:
                break
        else:
            if self._parser.failure is not None and not self._ended:
                self._refuse(self._parser.failure, began)
        self._flush()
        if not self._ended:
            self._await_more(answered=bool(requests))
        elif not self._stalled:
            self._close()

    def _answer(self, request: Request, began: float) -> None:
        terms = self._terms
        if self._lowered:
            # Not earlier: a retransmission of the token answer has to carry its hop limit as well.
            self._set_hop_limit(None)
        now = terms.wall_clock()
        try:
            response = terms.respond(request, self._caller, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the others theirs
            terms.report(error)
            response = refusal(500)
        if response.delay_seconds:
            self._hold(request, response, now, began)
        else:
            self._deliver(request, response, now)
            self._note(request, response, now, began)

    def _acquainted(self) -> None:
        self._held = None
        if self._terms.stopping and not self._unread:
            self._close()
        else:
            self._read_on()

    def _resume(self) -> None:
        self._held = None
        later, self._later = self._later, ()
        self._answer_all(later, perf_counter())
        self._read_on()

    def _hold(self, request: Request, response: Response, now: float, began: float) -> None:
        # Reading goes on, so that a client that gives up is noticed.
        delay = response.delay_seconds
        self.deadline = self._terms.monotonic() + delay + self._terms.timeouts.write
        self._kept = request, response, now, began
        self._held = asyncio.get_running_loop().call_later(delay, self._release, self._kept)
        self._ask_whether_it_reads()

    def _ask_whether_it_reads(self) -> None:
        if self._half_closed is not None and self._kept is not None and self._kept[1].delivery is _SEND:
            due = self.deadline - self._terms.timeouts.write - self._terms.monotonic()
            self._half_closed.ask_before(due, self._kept[-1])

    def _release(self, kept: tuple[Request, Response, float, float]) -> None:
        self._deliver(*kept[:3])
        if self._half_closed is None or kept[1].delivery is not _SEND:
            self._delivered(kept)
        else:
            # It counts as held back until the client has it: a connection lost before then means it was abandoned.
            self._out[0] = self._out[0].removeprefix(self._half_closed.written_ahead)
            self._half_closed.written_ahead = b""
            self._flush()
            self._held = self._half_closed
            self._half_closed.settle(lambda: self._delivered(kept))

    def _delivered(self, kept: tuple[Request, Response, float, float]) -> None:
        self._held = self._kept = None
        self._note(*kept)
        later, self._later = self._later, ()
        self._answer_all(() if self._ended else later, kept[-1])
        self._read_on()

    def _deliver(self, request: Request, response: Response, now: float) -> None:
        terms = self._terms
        if response.delivery is _SEND:
            stays = request.keep_alive and not terms.stopping
            self._ended = not stays or response.cut_after is not None
            if response.hop_limit is not None:
                self._set_hop_limit(response.hop_limit)
            passing = terms.passing_lines.render(now, stays=stays)
            write(self._out, response, passing, with_body=request.method != "HEAD")
        elif response.delivery is Delivery.STALL:
            self._ended = self._stalled = True
            self.deadline = terms.monotonic() + terms.timeouts.idle
        else:
            self.abort()

    def _refuse(self, status: int, began: float) -> None:
        self._ended = True
        if self._parser.in_body:
            return  # its request has been answered already
        terms = self._terms
        now = terms.wall_clock()
        response = refusal(status)
        if status == BAD_REQUEST:
            response = terms.unreadable or page(status, terms.bad_request_type)
        write(self._out, response, terms.passing_lines.render(now, stays=False), with_body=True)
        self._note(None, response, now, began)

    def _note(
        self, request: Request | None, response: Response, now: float, began: float, ended: float | None = None
    ) -> None:
        microseconds = int(((ended or perf_counter()) - began) * 1_000_000)
        for observe in self._terms.observers:
            observe(now, self._caller, request, response, microseconds)

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out = []

    def _await_more(self, *, answered: bool) -> None:
        partial = not self._parser.at_boundary
        if answered or (partial and not self._partial):
            now, timeouts = self._terms.monotonic(), self._terms.timeouts
            if not self._paused:
                self.deadline = now + (timeouts.head if partial else timeouts.idle)
            if answered:
                self.last_request = now
        self._partial = partial

    def _close(self) -> None:
        """Close when everything is sent; let a client that is still sending read its answer first."""
        self._ended = True
        now, timeouts = self._terms.monotonic(), self._terms.timeouts
        if self._stalled or self._unsent():
            self.deadline = now + timeouts.write
        else:
            self.deadline = now + _LINGER_SECONDS
        if self._parser.in_body or self._parser.failure is not None:
            # Closing with unread bytes resets the connection, and the client may lose the answer.
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
