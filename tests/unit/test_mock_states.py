"""The table of a connection's states: every transition happens, no other one can, and random input keeps to it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from imds_mock.service.messages import Delivery
from imds_mock.wire.states import ENDED, NEXT, READABLE, Event, State
from support.connections import DELAY_SECONDS, ROLE, TIMEOUTS, Peer, get, held_loop

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST = get("/a")
PART, REST = REQUEST[:20], REQUEST[20:]
WAITING = frozenset(State) - READABLE - ENDED


def _confirm(peer: Peer) -> None:
    peer.send(get("/delay"))
    peer.end()
    peer.transport.unsent = 1  # so the client's system has not acknowledged all of it
    peer.wait(DELAY_SECONDS)


def _confirmed(peer: Peer) -> None:
    peer.transport.unsent = 0
    peer.wait(1)


def _arrive(peer: Peer) -> None:
    peer.identities.arrive()
    peer.credentials.arrive()


# How a connection gets into a state, starting from NEW.
REACH: dict[State, Callable[[Peer], None]] = {
    State.NEW: lambda _peer: None,
    State.IDENTIFYING: lambda _peer: None,
    State.IDLE: lambda peer: peer.send(REQUEST),
    State.ACTIVE: lambda peer: peer.send(PART),
    State.AWAITING_CREDENTIALS: lambda peer: peer.send(get(ROLE)),
    State.DELAYED: lambda peer: peer.send(get("/delay")),
    State.CONFIRMING: _confirm,
    State.STALLED: lambda peer: peer.send(get("/stall")),
    State.CLOSING: lambda peer: peer.send(get("/a", connection="close")),
    State.CLOSED: lambda peer: peer.connection.abort(),
}
# What a client, the listener or the clock does to cause an event. `rest` completes a request that has begun.
CAUSE: dict[Event, Callable[[Peer, bytes], None]] = {
    Event.IDENTIFY: lambda _peer, _rest: None,
    Event.BEGIN: lambda peer, rest: peer.send(rest + PART),
    Event.COMPLETE: lambda peer, rest: peer.send(rest or REQUEST),
    Event.AWAIT_CREDENTIALS: lambda peer, rest: peer.send(rest + get(ROLE)),
    Event.READY: lambda peer, _rest: _arrive(peer),
    Event.DELAY: lambda peer, rest: peer.send(rest + get("/delay")),
    Event.DUE: lambda peer, _rest: peer.wait(DELAY_SECONDS),
    Event.CONFIRM: lambda peer, _rest: _confirm(peer),
    Event.CONFIRMED: lambda peer, _rest: _confirmed(peer),
    Event.STALL: lambda peer, rest: peer.send(rest + get("/stall")),
    Event.CLOSE: lambda peer, _rest: peer.connection.close_soon(),
    Event.LOSE: lambda peer, _rest: peer.lose(),
}
PAIRS = [(state, event) for state, row in NEXT.items() for event in row]


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=[f"{state.name}-{event.name}" for state, event in PAIRS])
def test_every_transition_of_the_table_happens(state: State, event: Event) -> None:
    with held_loop() as (loop, seen):
        peer = Peer(
            loop, is_known=state is not State.IDENTIFYING and event is not Event.IDENTIFY, has_credentials=False
        )
        if event is Event.CONFIRM:
            # A delayed response is written first: CLOSING if it is the last one, otherwise ACTIVE.
            peer.send(get("/delay", connection="close" if state is State.CLOSING else "keep-alive"))
            peer.end()
            peer.wait(DELAY_SECONDS)
        else:
            REACH[state](peer)
            if event is not Event.IDENTIFY:
                assert peer.state is state
            CAUSE[event](peer, REST if state is State.ACTIVE else b"")
        assert (state, event, NEXT[state][event]) in seen


@pytest.mark.parametrize("state", State)
def test_no_other_transition_can_happen(state: State) -> None:
    for event in set(Event) - set(NEXT[state]):
        with held_loop() as (loop, _):
            peer = Peer(loop, is_known=state is not State.IDENTIFYING, has_credentials=False)
            REACH[state](peer)
            with pytest.raises(KeyError):
                peer.connection.advance(event)
            assert peer.state is state


def test_each_state_leads_to_closed_and_only_closed_is_final() -> None:
    assert set(NEXT) == set(State)
    for state, row in NEXT.items():
        assert row[Event.LOSE] is State.CLOSED
        assert (set(row.values()) == {state}) == (state is State.CLOSED)
        assert (Event.CLOSE in row) == (state not in {State.CLOSING, State.CLOSED})


class Connections(RuleBasedStateMachine):
    """One connection under any sequence of bytes, pauses, closes and timeouts."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self._loop, self._seen = self._stack.enter_context(held_loop())
        self._asked: list[str] = []

    @initialize(is_known=st.booleans(), has_credentials=st.booleans())
    def connect(self, *, is_known: bool, has_credentials: bool) -> None:
        self.peer = Peer(self._loop, is_known=is_known, has_credentials=has_credentials)

    @rule(
        paths=st.lists(
            st.sampled_from(
                ["/a", "/b", "/c", ROLE, "/delay", "/stall", "/reset", "/cut", "/late-reset", "/late-stall"]
            ),
            min_size=1,
            max_size=4,
        ),
        last=st.sampled_from(["keep-alive", "keep-alive", "close"]),
    )
    def ask(self, paths: list[str], last: str) -> None:
        self.peer.send(b"".join(get(path) for path in paths[:-1]) + get(paths[-1], connection=last))

    @rule(
        data=st.sampled_from(
            [
                PART,
                REST,
                b"\r\n",
                b"\x00\r\n\r\n",
                REQUEST * 200,
                b"PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab",
                b"cde",
            ]
        )
    )
    def send(self, data: bytes) -> None:
        self.peer.send(data)

    @rule()
    def end(self) -> None:
        self.peer.end()

    @rule(seconds=st.sampled_from([0.0, 0.01, 1.0, DELAY_SECONDS, TIMEOUTS.head, TIMEOUTS.idle]))
    def wait(self, seconds: float) -> None:
        self.peer.wait(seconds)

    @rule()
    def block(self) -> None:
        if not self.peer.transport.is_closed and not self.peer.transport.unsent:
            self.peer.transport.unsent = 100_000
            self.peer.connection.pause_writing()

    @rule()
    def unblock(self) -> None:
        if not self.peer.is_lost and self.peer.transport.unsent:
            self.peer.transport.unsent = 0
            if not self.peer.transport.was_reset:
                self.peer.connection.resume_writing()

    @rule()
    def identify(self) -> None:
        self.peer.identities.arrive()

    @rule()
    def fetch(self) -> None:
        self.peer.credentials.arrive()

    @rule(new_since=st.sampled_from([0.0, float("inf")]))
    def stop(self, new_since: float) -> None:
        self.peer.context.is_stopping = True
        if not self.peer.is_lost:
            self.peer.connection.stop(new_since)

    @rule()
    def evict(self) -> None:
        if not self.peer.is_lost:
            self.peer.connection.expire()

    @rule()
    def lose(self) -> None:
        self.peer.lose()

    @invariant()
    def keeps_its_promises(self) -> None:
        if not hasattr(self, "peer"):
            return
        peer, connection = self.peer, self.peer.connection
        assert (connection._pending is not None) == (peer.state in WAITING)
        assert (connection in peer.context.connections) == (not peer.is_lost)
        assert peer.transport.was_reset <= (peer.state is State.CLOSED)
        # While the mock stops, the event loop closes a stalled connection as soon as the client has closed its side.
        is_let_go = peer.state is State.STALLED and peer.has_ended and peer.context.is_stopping
        assert peer.transport.is_closed <= (peer.state in {State.CLOSING, State.CLOSED} or is_let_go)
        assert connection.deadline >= connection.last_active
        pending = 1 if peer.state in {State.DELAYED, State.CONFIRMING} else 0
        recorded = [path for path, _ in peer.recorded if path is not None]
        assert recorded == peer.answered[: len(peer.answered) - pending], "each request is recorded once, in order"
        sent = [path for path, delivery in peer.recorded if delivery is Delivery.SEND and path is not None]
        if not pending and not peer.transport.was_reset:
            written, place = peer.transport.written, 0
            assert written.count(b"HTTP/1.1 200 OK\r\n") == len(sent)
            for path in sent:
                place = written.index(b"\r\n\r\n/" if path == "/cut" else b"\r\n\r\n" + path.encode(), place) + 1

    def teardown(self) -> None:
        try:
            if hasattr(self, "peer"):
                self.peer.lose()
                self.keeps_its_promises()
                assert self._loop.waiting() == []
                assert self.peer.state is State.CLOSED
        finally:
            self._stack.close()


TestConnections = Connections.TestCase
