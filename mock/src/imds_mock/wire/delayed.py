"""A delayed response, and whether a client that has closed its side of the connection still waits for it.

A client that only half-closes (busybox `nc`) and a client that has given up both send FIN. The difference shows when
bytes arrive: a client that is gone replies with a reset (RFC 9293 3.6, 3.10.7). The mock therefore probes with bytes of
the response: with the whole response if it is due soon, otherwise with its first byte, which all responses share.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Delivery
from imds_mock.wire.states import Event, State

if TYPE_CHECKING:
    from collections.abc import Callable


_FIRST_BYTE: Final = b"H"
# A client that half-closes does so right after its request. It is probed with the first byte only after a while.
_RIGHT_AFTER_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 3.0
_SOON_SECONDS: Final = 1.0
_FIRST_CHECK_SECONDS: Final = 0.001
_LONGEST_PAUSE_SECONDS: Final = 0.25


class HalfClosedClient:
    """Finds out whether a client that has closed its side still reads.

    Args:
        transport: The connection.
        on_gone: Called when the client turns out to be gone.

    Attributes:
        last_seen: When the client was last known to be there, on the clock of `perf_counter`.
        sent_ahead: The bytes of its response that it has already been sent.
    """

    __slots__ = ("_loop", "_on_gone", "_timer", "_transport", "last_seen", "sent_ahead")

    def __init__(self, transport: asyncio.Transport, on_gone: Callable[[], None]) -> None:
        self._transport = transport
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.last_seen = perf_counter()
        self.sent_ahead = b""

    def probe_before(self, due_seconds: float, asked_at: float) -> None:
        """Probe the client, unless its response is due soon and serves as the probe.

        Args:
            due_seconds: Time until the response is sent.
            asked_at: When the request was received, on the clock of `perf_counter`.
        """
        patience = _PATIENCE_SECONDS if self.last_seen - asked_at < _RIGHT_AFTER_SECONDS else 0.0
        if due_seconds > max(patience, _SOON_SECONDS):
            self._timer = self._loop.call_later(patience, self._probe)

    def confirm(self, on_received: Callable[[], None]) -> None:
        """Wait until the client's system has acknowledged everything that was sent.

        Args:
            on_received: Called then; `on_gone` is called instead if the client's system refuses it.
        """
        self.cancel()
        self._check_later(on_received, _FIRST_CHECK_SECONDS)

    def cancel(self) -> None:
        """Stop probing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _probe(self) -> None:
        self.sent_ahead = _FIRST_BYTE
        self._transport.write(_FIRST_BYTE)
        self.confirm(self._note_presence)

    def _note_presence(self) -> None:
        self.last_seen = perf_counter()

    def _check_later(self, on_received: Callable[[], None], pause: float) -> None:
        # The event loop writes after this turn, and a reset takes a round trip.
        self._timer = self._loop.call_later(pause, self._check, on_received, pause)

    def _check(self, on_received: Callable[[], None], pause: float) -> None:
        self._timer = None
        client = self._transport.get_extra_info("socket")
        if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._on_gone()
        elif self._transport.get_write_buffer_size() or _unacknowledged_bytes(client):
            self._check_later(on_received, min(pause * 2, _LONGEST_PAUSE_SECONDS))
        else:
            on_received()


class DelayingConnection(Protocol):
    """A connection as a delayed response sees it.

    Attributes:
        state: Its state.
        half_closed: Set once the client has closed its side.
    """

    state: State
    half_closed: HalfClosedClient | None

    def advance(self, event: Event, pending: DelayedResponse | None = None) -> None:
        """Enter the next state."""

    def deliver(self, exchange: Exchange, now: float) -> object:
        """Write the response."""

    def flush(self, sent_ahead: bytes = b"") -> None:
        """Send what was written, without the bytes that were already sent."""

    def record(self, exchange: Exchange, now: float, seconds: float) -> None:
        """Tell the observers of the response."""

    def answer_later(self, began: float) -> None:
        """Answer what had to wait."""


class DelayedResponse:
    """Sends a response when its delay is over, or records that the client gave up before.

    Args:
        connection: The connection; it is in the state `DELAYED`, or about to be.
        exchange: The request and the response to it.
        now: Wall-clock time of the request in seconds since the epoch.
        began: When the request was received, on the clock of `perf_counter`.
    """

    __slots__ = ("_began", "_connection", "_exchange", "_is_last", "_now", "_timer")

    def __init__(self, connection: DelayingConnection, exchange: Exchange, now: float, began: float) -> None:
        self._connection = connection
        self._exchange = exchange
        self._now = now
        self._began = began
        self._is_last = False
        self._timer = asyncio.get_running_loop().call_later(exchange.response.delay_seconds, self._release)
        self.probe()

    def probe(self) -> None:
        """If the client has closed its side, find out whether it still waits for the response."""
        client = self._connection.half_closed
        if client is not None and self._exchange.response.delivery is Delivery.SEND:
            client.probe_before(self._timer.when() - asyncio.get_running_loop().time(), self._began)

    def cancel(self) -> None:
        """Record that the client gave up, and when: this is what a delay is armed to find out."""
        self._timer.cancel()
        client, gone = self._connection.half_closed, perf_counter()
        if client is not None:
            client.cancel()
            gone = client.last_seen
        exchange = self._exchange
        abandoned = replace(exchange.response, delivery=Delivery.ABANDONED)
        gave_up = Exchange(exchange.caller, exchange.request, abandoned)
        self._connection.record(gave_up, self._now, gone - self._began)

    def _release(self) -> None:
        connection, client = self._connection, self._connection.half_closed
        response = self._exchange.response
        connection.advance(Event.DUE)
        connection.deliver(self._exchange, self._now)
        self._is_last = connection.state is State.CLOSING
        if client is None or response.delivery is not Delivery.SEND:
            self._finish()
        else:
            # The response counts as delayed until the client has it: a client that is gone before then has given up.
            connection.advance(Event.CONFIRM, self)
            connection.flush(client.sent_ahead)
            client.confirm(self._on_confirmed)

    def _on_confirmed(self) -> None:
        self._connection.advance(Event.CONFIRMED)
        if self._is_last:
            self._connection.advance(Event.CLOSE)
        self._finish()

    def _finish(self) -> None:
        self._connection.record(self._exchange, self._now, perf_counter() - self._began)
        self._connection.answer_later(self._began)


def _unacknowledged_bytes(client: socket.socket) -> int:
    """Bytes that the client's system has not acknowledged (tcp(7), SIOCOUTQ); 0 if the system cannot tell."""
    with contextlib.suppress(OSError):
        found: int = struct.unpack("i", fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        return found
    return 0
