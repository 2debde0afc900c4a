"""A connection of the data plane while it owes a response: because of a delay, of credentials, or of an unknown caller.

Responses keep the order of requests: what arrives meanwhile waits. Reading goes on during a delay, so that a client
that gives up is noticed, and one that only closes its side still gets its response.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from imds_mock.service.messages import Delivery
from imds_mock.wire.halfclosed import HalfClosed
from imds_mock.wire.sending import SEND, Sending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.service.messages import Request, Response
    from imds_mock.wire.context import Cancellable

    # With the wall-clock time of the request and, on the clock of `perf_counter`, when it was received.
    RefreshableCredentials = tuple[Request, Response, float, float]


class Holding(Sending):
    """Gives each response when its time has come, and tells the observers of it."""

    __slots__ = ("_caller", "_half_closed", "_held", "_kept", "_later")

    _caller: str
    _half_closed: HalfClosed | None  # the client sends nothing more, and may still read
    _held: Cancellable | None  # what has to happen before the next response
    _kept: RefreshableCredentials | None  # the response that a delay holds back
    _later: tuple[Request, ...]  # what is answered after it

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the event loop's signature
        """Called by the event loop."""
        self._ended = True
        self._parser.close()
        if self._held is not None:
            self._abandon(self._held)
        if self._half_closed is not None:
            self._half_closed.cancel()
        context = self._context
        context.connections.discard(self)
        if context.all_closed is not None and not context.connections:
            context.all_closed.set()

    def eof_received(self) -> bool:
        """Called by the event loop when the client has sent everything that it is going to send.

        Returns:
            Whether a response is still to come.
        """
        if self._held is None and (not self._stalled or self._context.is_stopping):
            return False  # everything is answered, and gets sent before the connection closes
        self._half_closed = HalfClosed(self._transport, self.abort)
        self._ask_whether_it_reads()
        return True

    def _answer_all(self, began: float, requests: tuple[Request, ...]) -> None:
        raise NotImplementedError

    def _read_on(self) -> None:
        raise NotImplementedError

    def _postpone(self, request: Request, later: Iterator[Request]) -> bool:
        """Have a request wait for credentials, and those after it; False if it can be answered now."""
        self._held = self._context.await_credentials(self._caller, self._resume)
        if self._held is None:
            return False
        self.deadline = self._context.monotonic() + self._context.timeouts.write
        self._later = (request, *later)
        return True

    def _resume(self) -> None:
        self._held = None
        later, self._later = self._later, ()
        self._answer_all(perf_counter(), later)
        self._read_on()

    def _hold(self, request: Request, response: Response, now: float, began: float) -> None:
        delay = response.delay_seconds
        self.deadline = self._context.monotonic() + delay + self._context.timeouts.write
        self._kept = request, response, now, began
        self._held = asyncio.get_running_loop().call_later(delay, self._release, self._kept)
        self._ask_whether_it_reads()

    def _ask_whether_it_reads(self) -> None:
        if self._half_closed is not None and self._kept is not None and self._kept[1].delivery is SEND:
            due = self.deadline - self._context.timeouts.write - self._context.monotonic()
            self._half_closed.ask_before(due, self._kept[-1])

    def _release(self, kept: RefreshableCredentials) -> None:
        request, response, now, _ = kept
        self._deliver(request, response, now)
        if self._half_closed is None or response.delivery is not SEND:
            self._delivered(kept)
        else:
            # It counts as held back until the client has it: a connection lost before then means it was abandoned.
            self._out[0] = self._out[0].removeprefix(self._half_closed.written_ahead)
            self._half_closed.written_ahead = b""
            self._flush()
            self._held = self._half_closed
            self._half_closed.settle(lambda: self._delivered(kept))

    def _delivered(self, kept: RefreshableCredentials) -> None:
        self._held = self._kept = None
        request, response, now, began = kept
        self._note(request, response, now, perf_counter() - began)
        later, self._later = self._later, ()
        self._answer_all(began, () if self._ended else later)
        self._read_on()

    def _abandon(self, held: Cancellable) -> None:
        held.cancel()
        if self._kept is not None:
            # Whether an application gives up, and after how long, is what a delay is armed for.
            request, response, now, began = self._kept
            gone = perf_counter() if self._half_closed is None else self._half_closed.since
            self._note(request, msgspec.structs.replace(response, delivery=Delivery.ABANDONED), now, gone - began)

    def _note(self, request: Request | None, response: Response, now: float, seconds: float) -> None:
        microseconds = int(seconds * 1_000_000)
        for observe in self._context.observers:
            observe(now, self._caller, request, response, microseconds)
