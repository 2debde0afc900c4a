"""The states of a connection, and the events that lead from one to the next, as one table.

A connection changes its state only through `NEXT`; an event that its state does not allow raises `KeyError`.
"""

from __future__ import annotations

import enum
from typing import Final


# The hash of an `IntEnum` is computed in C, that of an `Enum` in Python; every request looks states up.
class State(enum.IntEnum):
    """The state of a connection."""

    NEW = enum.auto()  # open; no request has begun
    IDENTIFYING = enum.auto()  # open; the caller is being identified
    IDLE = enum.auto()  # between two requests
    ACTIVE = enum.auto()  # part of a request has arrived, or a request is being answered
    AWAITING_CREDENTIALS = enum.auto()  # a request waits until its caller's credentials are fetched
    DELAYED = enum.auto()  # a fault delays a response
    CONFIRMING = enum.auto()  # a delayed response is sent; the half-closed client has not acknowledged all of it
    STALLED = enum.auto()  # a fault withholds the response
    CLOSING = enum.auto()  # no further request is answered; the rest of the responses is being sent
    CLOSED = enum.auto()  # closed or reset


class Event(enum.IntEnum):
    """What changes the state of a connection."""

    IDENTIFY = enum.auto()  # the caller has to be identified first
    BEGIN = enum.auto()  # part of the next request has arrived
    COMPLETE = enum.auto()  # all requests are answered, and nothing of the next one has arrived
    AWAIT_CREDENTIALS = enum.auto()  # the caller's credentials have to be fetched first
    READY = enum.auto()  # the caller is identified, or the credentials are fetched
    DELAY = enum.auto()
    DUE = enum.auto()  # the delay is over
    CONFIRM = enum.auto()  # the client is half-closed: find out whether it gets the response
    CONFIRMED = enum.auto()
    STALL = enum.auto()
    CLOSE = enum.auto()
    LOSE = enum.auto()  # the connection is reset, or the transport is closed


NEW: Final = State.NEW
IDENTIFYING: Final = State.IDENTIFYING
IDLE: Final = State.IDLE
ACTIVE: Final = State.ACTIVE
AWAITING_CREDENTIALS: Final = State.AWAITING_CREDENTIALS
DELAYED: Final = State.DELAYED
CONFIRMING: Final = State.CONFIRMING
STALLED: Final = State.STALLED
CLOSING: Final = State.CLOSING
CLOSED: Final = State.CLOSED

# What a request in a readable state may lead to.
_ANSWER: Final = {
    Event.BEGIN: ACTIVE,
    Event.AWAIT_CREDENTIALS: AWAITING_CREDENTIALS,
    Event.DELAY: DELAYED,
    Event.STALL: STALLED,
}
_END: Final = {Event.CLOSE: CLOSING, Event.LOSE: CLOSED}

NEXT: Final[dict[State, dict[Event, State]]] = {
    NEW: {Event.IDENTIFY: IDENTIFYING, Event.COMPLETE: IDLE, **_ANSWER, **_END},
    IDENTIFYING: {Event.READY: NEW, **_END},
    IDLE: {**_ANSWER, **_END},  # stays IDLE if whole requests arrive and are answered at once
    ACTIVE: {Event.COMPLETE: IDLE, Event.CONFIRM: CONFIRMING, **_ANSWER, **_END},
    AWAITING_CREDENTIALS: {Event.READY: ACTIVE, **_END},
    DELAYED: {Event.DUE: ACTIVE, **_END},
    CONFIRMING: {Event.CONFIRMED: ACTIVE, **_END},
    STALLED: _END,
    CLOSING: {Event.CONFIRM: CONFIRMING, Event.LOSE: CLOSED},
    CLOSED: {Event.LOSE: CLOSED},
}

READABLE: Final = frozenset({NEW, IDLE, ACTIVE})
"""What arrives is parsed and answered; in other states it is kept for later."""

ENDED: Final = frozenset({STALLED, CLOSING, CLOSED})
"""What arrives is dropped."""
