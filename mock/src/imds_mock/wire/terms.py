"""What the connections of one listener share: how requests are decided, what they may measure and how long take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from imds_mock.wire.parsing import Limits, Memo
from imds_mock.wire.writing import PassingLines

if TYPE_CHECKING:
    import asyncio

    from imds_mock.service.messages import Request, Response


class Observer(Protocol):
    """Is told of each answer."""

    def __call__(
        self, now: float, caller: str, request: Request | None, response: Response, microseconds: int, /
    ) -> None:
        """Take note of an answer.

        Args:
            now: Wall-clock time of the request in seconds since the epoch.
            caller: Address of the peer.
            request: The request, None for bytes that were none.
            response: What it was answered with.
            microseconds: From receiving the request to handing its answer to the socket.
        """


class Opened(Protocol):
    """A connection, as whoever watches over all of them sees it.

    Attributes:
        deadline: When it has taken too long, by the event loop's clock.
        last_request: When its last request was answered, or it opened.
    """

    deadline: float
    last_request: float

    def stop(self, new_since: float) -> None:
        """Close, unless a request or a response is under way, or it opened later than `new_since` and was not used."""

    def expire(self) -> None:
        """Close, as it has taken too long or another one needs the place."""

    def abort(self) -> None:
        """Close at once, whatever is under way."""


class Cancellable(Protocol):
    """Something that is going to happen."""

    def cancel(self) -> None:
        """Let it not happen."""


Acquaint = Callable[[str, Callable[[], None]], Cancellable | None]
"""Finds out who is behind an address. Calls back when he can be answered, or gives None because he can be at once."""


Postpone = Callable[[str, Callable[[], None]], Cancellable | None]
"""Has a request for credentials wait until they are fetched for the caller with an address.

Calls back when they are, or returns None if the request can be answered now.
"""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a connection may take, in seconds.

    Attributes:
        head: From the connection or the first byte of a request to the end of its headers.
        idle: Between two requests.
        write: For the client to read an answer.
    """

    head: float = 20.0
    idle: float = 75.0
    write: float = 30.0

    @property
    def shortest(self) -> float:
        """The shortest of them."""
        return min(self.head, self.idle, self.write)


def answer_now(_address: str, _then: Callable[[], None]) -> None:
    """Every caller can be answered at once."""


def _raise(error: Exception) -> None:
    raise error


@dataclass(slots=True)
class ServerContext:
    """The terms of a listener.

    Attributes:
        respond: Decides about a request: request, caller's address, wall-clock time.
        observers: Are told of each answer, in this order.
        wall_clock: Seconds since the epoch.
        monotonic: The event loop's clock, for time-outs.
        limits: What a request may measure.
        timeouts: How long things may take.
        bad_request_type: `Content-Type` of the page for bytes that are no request.
        unreadable: The answer to such bytes in place of that page.
        acquaint: Is called when a connection opens; its first request may have to wait until it is known whose it is.
        postpone: Is called before a request that wants credentials is answered; they may have to be fetched first.
        report: Is given what went wrong where an answer should have been; the client gets a 500.
        memo: Requests parsed before.
        passing_lines: Header lines of the moment.
        open: The connections that are open.
        stopping: No connection stays open after its answer.
        drained: Is set when the last connection has closed.
    """

    respond: Callable[[Request, str, float], Response]
    observers: tuple[Observer, ...]
    wall_clock: Callable[[], float]
    monotonic: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    bad_request_type: str = "text/html"
    unreadable: Response | None = None
    identify_caller: Acquaint = answer_now
    await_credentials: Postpone = answer_now
    report: Callable[[Exception], None] = _raise
    memo: Memo = field(default_factory=Memo)
    passing_lines: PassingLines = field(default_factory=PassingLines)
    open: set[Opened] = field(default_factory=set)
    stopping: bool = False
    drained: asyncio.Event | None = None
