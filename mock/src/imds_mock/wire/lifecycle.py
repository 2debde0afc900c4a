"""The state of a connection, its timeouts, and how it ends; `states` has the table of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.wire.parsing import RequestParser
from imds_mock.wire.states import CLOSED, CONFIRMING, ENDED, IDLE, NEW, NEXT, STALLED, Event
from imds_mock.wire.writing import ResponseWriter

if TYPE_CHECKING:
    from imds_mock.wire.context import Cancellable, ServerContext

_LINGER_SECONDS: Final = 2.0

# Attributes of an enumeration are slow to get before Python 3.12.
_CLOSE, _LOSE = Event.CLOSE, Event.LOSE


class ConnectionLifecycle(ResponseWriter):
    """What a connection is, apart from requests: a state, timeouts, and a parser and writer that end with it.

    Attributes:
        state: Its state.
        deadline: When it times out, on the event loop's clock; the listener then calls `expire`.
        last_active: When its last request was answered or the next one began, or when it opened.
    """

    __slots__ = ("_context", "_is_blocked", "_parser", "_pending", "deadline", "last_active", "state")

    def open(self, context: ServerContext) -> None:
        """Begin in the state `NEW`."""
        self._context = context
        self._parser = RequestParser(context.limits, context.parse_cache)
        self.state = NEW
        self._is_blocked = False  # the client does not read, so the mock does not either
        self._pending: Cancellable | None = None  # what the state waits for
        self.last_active = context.monotonic()
        self.deadline = self.last_active + context.timeouts.head

    def stop(self, new_since: float) -> None:
        """Close the connection unless it is busy, or is unused and opened after `new_since`."""
        is_unused = self.state is IDLE or (self.state is NEW and self.last_active < new_since)
        if self.state is STALLED or (is_unused and not self._transport.get_write_buffer_size()):
            self.close_soon()

    def expire(self) -> None:
        """Close the connection because it has timed out or its place is needed."""
        if self.state in ENDED or self.state is CONFIRMING or self._transport.get_write_buffer_size():
            self.abort()
        else:
            self.close_soon()

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

    def start_timeout(self, seconds: float) -> None:
        """Begin to wait for the next request, or for the rest of it."""
        self.last_active = self._context.monotonic()
        if not self._is_blocked:
            self.deadline = self.last_active + seconds

    def close_soon(self) -> None:
        """Close the connection when everything is sent."""
        self.advance(_CLOSE)
        self.shut_down()

    def shut_down(self) -> None:
        """Close the connection, whose state is `CLOSING`, when everything is sent."""
        is_sent = self.close(is_receiving=self._parser.in_body or self._parser.failure is not None)
        self.deadline = self._context.monotonic() + (_LINGER_SECONDS if is_sent else self._context.timeouts.write)
