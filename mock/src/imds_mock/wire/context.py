"""What the connections of one listener share: how requests are answered, and the limits and timeouts they keep to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import field

from imds_mock.records import Parts, Record
from imds_mock.service.responses import page
from imds_mock.wire.parsing import Limits, ParseCache
from imds_mock.wire.writing import ConnectionHeaders

if TYPE_CHECKING:
    import asyncio

    from imds_mock.service.exchange import Exchange
    from imds_mock.service.messages import Request, Response


class Observer(Protocol):
    """Records each response, such as the access log."""

    def __call__(self, now: float, exchange: Exchange, microseconds: int, /) -> None:
        """Record a response.

        Args:
            now: Wall-clock time of the request in seconds since the epoch.
            exchange: The request and the response to it.
            microseconds: From receiving the request to handing the response to the socket.
        """


class OpenConnection(Protocol):
    """A connection as the listener sees it.

    Attributes:
        deadline: When the connection times out, on the event loop's clock.
        last_active: When its last request was answered or the next one began, or when it opened.
    """

    deadline: float
    last_active: float

    def stop(self, new_since: float) -> None:
        """Close the connection unless it is busy, or is unused and opened after `new_since`."""

    def expire(self) -> None:
        """Close the connection because it has timed out or its place is needed."""

    def abort(self) -> None:
        """Reset the connection."""


class Cancellable(Protocol):
    """Something pending."""

    def cancel(self) -> None:
        """Cancel it."""


WaitFor = Callable[[str, Callable[[], None]], Cancellable | None]
"""Starts what the caller with an address has to wait for, and calls back when it is done.

Returns None, and does not call back, if there is nothing to wait for.
"""


class Timeouts(Record, frozen=True):
    """The timeouts of a connection, in seconds.

    Attributes:
        head: From the first byte of a request to the end of its headers; for the first request, from the connection.
        idle: Between two requests.
        write: For the client to read a response.
    """

    head: float = 20.0
    idle: float = 75.0
    write: float = 30.0

    @property
    def shortest(self) -> float:
        """The shortest of the three."""
        return min(self.head, self.idle, self.write)


def no_wait(_address: str, _then: Callable[[], None]) -> None:
    """Start nothing: no caller has to wait."""


def nothing_sent(_caller: str, _asked: bytes, _now: float) -> None:
    """Nothing: each response is made anew."""


def keep_nothing(_exchange: Exchange, _asked: bytes, _sent: bytes, _now: float) -> None:
    """Drop what was sent."""


def plain_page(_caller: str) -> Response:
    """The response to bytes that cannot be parsed, without settings."""
    return page(400, "text/html")


def _raise(error: Exception) -> None:
    raise error


class ServerContext(Parts, eq=False):
    """What all connections of a listener use.

    Attributes:
        respond: Returns the response to a request, given the caller's address and the wall-clock time.
        observers: Called with each response, in this order.
        wall_clock: Seconds since the epoch.
        monotonic: The event loop's clock, for timeouts.
        limits: The limits of a request.
        timeouts: The timeouts of a connection.
        respond_to_malformed: Returns the response to bytes that cannot be parsed, given the caller's address.
        identify_caller: Called when a connection opens; its first request waits until the caller is identified.
        await_credentials: Called before a request for credentials is answered; it waits until they are fetched.
        report_error: Called with an exception raised by `respond`; the client gets a 500.
        parse_cache: Requests that were parsed before.
        sent_before: Returns the exchange whose response a caller may be sent again, given the bytes of its request.
        keep_sent: Keeps an exchange with the bytes of its request and response, for `sent_before`.
        connection_headers: The `Date`, `Server` and `Connection` lines.
        connections: The open connections.
        is_stopping: Every connection closes after its response.
        all_closed: Set when the last connection has closed.
    """

    respond: Callable[[Request, str, float], Response]
    observers: tuple[Observer, ...]
    wall_clock: Callable[[], float]
    monotonic: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    respond_to_malformed: Callable[[str], Response] = plain_page
    identify_caller: WaitFor = no_wait
    await_credentials: WaitFor = no_wait
    report_error: Callable[[Exception], None] = _raise
    parse_cache: ParseCache = field(default_factory=ParseCache)
    sent_before: Callable[[str, bytes, float], Exchange | None] = nothing_sent
    keep_sent: Callable[[Exchange, bytes, bytes, float], None] = keep_nothing
    connection_headers: ConnectionHeaders = field(default_factory=ConnectionHeaders)
    connections: set[OpenConnection] = field(default_factory=set)
    is_stopping: bool = False
    all_closed: asyncio.Event | None = None

    def remove(self, connection: OpenConnection) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)
        if self.all_closed is not None and not self.connections:
            self.all_closed.set()
