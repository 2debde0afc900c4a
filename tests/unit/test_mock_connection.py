"""A connection over a transport and a clock that the test holds: which requests wait, and when it times out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.service.messages import Delivery
from imds_mock.wire.states import State
from support.connections import CALLER, DELAY_SECONDS, OPENED, ROLE, TIMEOUTS, Peer, get, held_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.connections import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with held_loop() as (loop, _):
        yield loop


@pytest.mark.parametrize("path", ["/latest/meta-data/instance-id", "/latest/meta-data/", "/latest/meta-data/iam"])
def test_an_ordinary_request_asks_for_no_credentials(loop: Loop, path: str) -> None:
    peer = Peer(loop, has_credentials=False)
    peer.send(get(path))
    assert peer.transport.bodies() == [path.removesuffix("/")]
    assert peer.credentials.asked == []


@pytest.mark.parametrize(("path", "host"), [(ROLE, "169.254.169.254"), ("/v2/credentials/x", "169.254.170.2")])
def test_a_request_waits_until_its_credentials_are_there(loop: Loop, path: str, host: str) -> None:
    peer = Peer(loop, has_credentials=False)
    peer.send(get(path, host))
    assert (peer.transport.written, peer.credentials.asked) == (b"", [CALLER])
    peer.credentials.arrive()
    assert peer.transport.bodies() == [path]


def test_responses_keep_the_order_of_requests_while_one_waits(loop: Loop) -> None:
    peer = Peer(loop, has_credentials=False)
    peer.send(get("/a") + get(ROLE) + get("/b") + get("/c"))
    peer.send(get("/d"))
    assert peer.transport.bodies() == ["/a"]
    peer.credentials.arrive()
    assert peer.transport.bodies() == ["/a", ROLE, "/b", "/c", "/d"]
    assert not peer.transport.is_closed


def test_a_client_that_gives_up_waits_for_nothing(loop: Loop) -> None:
    peer = Peer(loop, has_credentials=False)
    peer.send(get(ROLE))
    peer.lose()
    assert (peer.credentials.cancelled, peer.transport.written) == (1, b"")


def test_the_first_request_waits_until_the_caller_is_identified(loop: Loop) -> None:
    peer = Peer(loop, is_known=False)
    peer.send(get("/a")[:10])
    peer.send(get("/a")[10:] + get("/b"))
    assert peer.transport.written == b""
    peer.identities.arrive()
    assert peer.transport.bodies() == ["/a", "/b"]


@pytest.mark.parametrize(
    ("sent", "state", "seconds"),
    [
        ([], State.NEW, TIMEOUTS.head),
        ([b"GET / HT"], State.ACTIVE, TIMEOUTS.head),
        ([get("/a")], State.IDLE, TIMEOUTS.idle),
        ([get("/a"), b"GE"], State.ACTIVE, TIMEOUTS.head),
        ([get("/a") + b"GE"], State.ACTIVE, TIMEOUTS.head),
        ([get("/delay")], State.DELAYED, DELAY_SECONDS + TIMEOUTS.write),
        ([get(ROLE)], State.AWAITING_CREDENTIALS, TIMEOUTS.write),
        ([get("/stall")], State.STALLED, TIMEOUTS.idle),
    ],
)
def test_each_state_has_its_timeout(loop: Loop, sent: list[bytes], state: State, seconds: float) -> None:
    peer = Peer(loop, has_credentials=False)
    for data in sent:
        peer.send(data)
    assert (peer.state, peer.connection.deadline) == (state, OPENED + seconds)


def test_a_new_connection_lives_as_long_as_its_timeout_and_no_longer(loop: Loop) -> None:
    peer = Peer(loop)
    peer.wait(TIMEOUTS.head - 0.5)
    assert (peer.state, peer.transport.is_closed) == (State.NEW, False)
    peer.send(get("/a"))
    assert peer.transport.bodies() == ["/a"]
    silent = Peer(loop)
    silent.wait(TIMEOUTS.head)
    assert (silent.state, silent.transport.is_closed) == (State.CLOSED, True)


def test_bytes_that_come_singly_do_not_extend_the_time_for_a_head(loop: Loop) -> None:
    peer = Peer(loop)
    for byte in get("/a")[:-1]:
        peer.wait(1)
        peer.send(bytes([byte]))
    assert peer.transport.is_closed
    assert loop.now > OPENED + TIMEOUTS.head


def test_the_idle_timeout_holds_again_after_a_delay(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(get("/delay"))
    peer.wait(DELAY_SECONDS)
    assert (peer.state, peer.connection.deadline) == (State.IDLE, OPENED + DELAY_SECONDS + TIMEOUTS.idle)


def test_a_client_that_does_not_read_has_the_write_timeout(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(get("/a"))
    peer.transport.unsent = 100_000
    peer.connection.pause_writing()
    peer.send(get("/b"))
    assert (peer.transport.bodies(), peer.connection.deadline) == (["/a"], OPENED + TIMEOUTS.write)
    peer.wait(TIMEOUTS.write)
    assert peer.transport.was_reset


def test_a_client_that_half_closes_while_it_does_not_read_gets_the_rest(loop: Loop) -> None:
    peer = Peer(loop)
    peer.transport.unsent = 100_000
    peer.connection.pause_writing()
    peer.send(get("/a") + get("/b"))
    peer.end()
    assert not peer.transport.is_closed
    peer.transport.unsent = 0
    peer.connection.resume_writing()
    assert (peer.transport.bodies(), peer.transport.is_closed) == (["/a", "/b"], True)


def test_a_delayed_response_that_is_cancelled_is_recorded_once_as_abandoned(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(get("/a") + get("/delay"))
    peer.connection.abort()
    peer.lose()
    assert peer.recorded == [("/a", Delivery.SEND), ("/delay", Delivery.ABANDONED)]


def test_a_delayed_reset_is_recorded_once(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(get("/late-reset"))
    peer.wait(DELAY_SECONDS)
    assert peer.transport.was_reset
    assert peer.recorded == [("/late-reset", Delivery.RESET)]


@pytest.mark.parametrize(
    ("sent", "is_closed"),
    [
        ([get("/a")], True),
        ([get("/a"), b"GE"], False),
        ([get("/delay")], False),
        ([get(ROLE)], False),
        ([get("/stall")], True),
    ],
)
def test_stopping_closes_what_is_not_busy(loop: Loop, sent: list[bytes], is_closed: bool) -> None:  # noqa: FBT001 - a table
    peer = Peer(loop, has_credentials=False)
    for data in sent:
        peer.send(data)
    peer.connection.stop(OPENED)
    assert peer.transport.is_closed == is_closed


@pytest.mark.parametrize(("opened_after", "is_closed"), [(-0.1, False), (0.0, False), (0.1, True)])
def test_stopping_leaves_time_for_the_request_of_a_new_connection(
    loop: Loop,
    opened_after: float,
    is_closed: bool,  # noqa: FBT001 - a table
) -> None:
    peer = Peer(loop)
    peer.connection.stop(OPENED + opened_after)
    assert peer.transport.is_closed == is_closed


def test_a_new_connection_closes_once_its_caller_is_identified_if_the_listener_stops(loop: Loop) -> None:
    peer = Peer(loop, is_known=False)
    peer.context.is_stopping = True
    peer.connection.stop(OPENED)
    assert not peer.transport.is_closed
    peer.identities.arrive()
    assert peer.transport.is_closed


def test_every_response_is_the_last_one_if_the_listener_stops(loop: Loop) -> None:
    peer = Peer(loop)
    peer.context.is_stopping = True
    peer.send(get("/a") + get("/b"))
    assert (peer.transport.bodies(), peer.transport.is_closed) == (["/a"], True)
    assert b"Connection: close" in peer.transport.written


@pytest.mark.parametrize(("path", "body"), [("/a", "/a"), ("/cut", "/")])
def test_a_connection_closes_after_its_last_response(loop: Loop, path: str, body: str) -> None:
    peer = Peer(loop)
    peer.send(get(path, connection="keep-alive" if path == "/cut" else "close") + get("/b"))
    assert (peer.transport.bodies(), peer.state) == ([body], State.CLOSING)


@pytest.mark.parametrize("is_stopping", [False, True])
def test_a_stalled_connection_stays_open_when_its_client_half_closes(loop: Loop, *, is_stopping: bool) -> None:
    peer = Peer(loop)
    peer.send(get("/stall"))
    peer.context.is_stopping = is_stopping
    peer.end()
    assert peer.transport.is_closed == is_stopping


@pytest.mark.parametrize("path", ["/stall", "/a"])
def test_what_arrives_after_the_last_response_is_not_kept(loop: Loop, path: str) -> None:
    peer = Peer(loop)
    peer.send(get(path, connection="close"))
    peer.connection.data_received(b"x" * 5000)
    assert peer.connection._unread == b""


def test_bytes_that_cannot_be_parsed_get_400_and_time_to_read_it(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(get("/a") + b"\x00\r\n\r\n")
    assert peer.transport.written.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400 Bad Request" in peer.transport.written
    assert (peer.transport.is_shut, peer.transport.is_closed) == (True, False)
    assert peer.connection.deadline == OPENED + 2


def test_bytes_that_cannot_be_parsed_get_500_if_their_response_cannot_be_made(loop: Loop) -> None:
    peer, errors = Peer(loop), list[Exception]()
    peer.context.report_error = errors.append
    peer.context.respond_to_malformed = lambda caller: [][int(caller[0])]
    peer.send(b"\x00\r\n\r\n")
    assert peer.transport.written.startswith(b"HTTP/1.1 500 ")
    assert [type(error) for error in errors] == [IndexError]
    assert peer.transport.is_shut


def test_a_body_that_cannot_be_parsed_ends_the_connection_without_a_second_response(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(b"POST /a HTTP/1.1\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert peer.transport.written.count(b"HTTP/1.1 ") == 1
    assert (peer.state, peer.transport.is_shut) == (State.CLOSING, True)


def test_a_half_closed_client_gets_the_first_byte_of_a_distant_response_ahead(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(get("/delay", connection="close"))
    peer.end()
    peer.wait(DELAY_SECONDS - 1)
    assert peer.transport.written == b"H"
    peer.wait(2)
    assert (peer.transport.bodies(), peer.state) == (["/delay"], State.CLOSED)
    assert peer.transport.written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert loop.waiting() == []


def test_a_half_closed_client_that_does_not_take_its_response_is_reset(loop: Loop) -> None:
    peer = Peer(loop)
    peer.send(get("/delay"))
    peer.end()
    peer.transport.unsent = 1
    peer.wait(DELAY_SECONDS)
    peer.connection.expire()
    peer.connection.abort()
    assert peer.transport.was_reset
    assert len(peer.transport.socket.options) == 1, "a closed socket's number may belong to another connection"
    peer.lose()
    assert peer.recorded == [("/delay", Delivery.ABANDONED)]


def test_a_client_that_sends_on_while_it_waits_is_read_no_further_than_4_kib(loop: Loop) -> None:
    peer = Peer(loop, is_known=False)
    paused = []
    for size in (4096, 1):
        peer.send(b"x" * size)
        paused.append(peer.transport.is_paused)
    assert paused == [False, True]
    peer.identities.arrive()
    assert b" 400 " in peer.transport.written
