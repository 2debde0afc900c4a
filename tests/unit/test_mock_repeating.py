"""Responses that are sent again as bytes: only while the service would make the same ones."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.config.settings import MetadataOptions
from imds_mock.faults.armed import ArmedFaults
from imds_mock.faults.kinds import StatusFault
from imds_mock.metadata.tree import Leaf
from imds_mock.scheduling.window import Window
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Head, Request, Response
from imds_mock.service.repeating import ExchangeCache
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from imds_mock.wire.connection import Connection
from imds_mock.wire.context import ServerContext
from imds_mock.wire.states import State
from support.connections import CALLER, FakeTransport, get
from support.mockserver import LEAVES, PROBE_ID, Clock, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.service.snapshot import Snapshot

NOW: Final = 1_700_000_000.25
BASE: Final = "/latest/meta-data/"
LEAF: Final = get(BASE + "instance-id")
PUT: Final = (
    b"PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 600\r\nConnection: keep-alive\r\n\r\n"
)
TIMED: Final = Leaf(
    lambda now: str(now // 0.4).encode(),
    same_during=lambda now: Window(now // 0.4 * 0.4 + 0.01, now // 0.4 * 0.4 + 0.39),
)


class Views:
    """The revision of what all callers see; None if it is not known."""

    revision: object = None


class Client:
    """A client of a service on one connection after another, and the number of responses that the service made."""

    def __init__(
        self,
        *,
        is_keeping: bool = True,
        options: MetadataOptions | None = None,
        leaves: Mapping[str, Leaf] = MappingProxyType({}),
    ) -> None:
        self.views = Views()
        self.snapshot: Snapshot = snapshot(options, {**LEAVES, "meta-data/timed": TIMED, **leaves})
        self.faults = ArmedFaults(lambda _caller, _target: True, lambda: 0.0)
        self.clock = Clock(NOW)
        self.service = Service(self, Tokens(key=b"k" * 32), PROBE_ID, self.faults)
        self.made: list[Request] = []
        self.recorded: list[tuple[str, int, int]] = []
        self.context = ServerContext(
            self._respond,
            (self._record,),
            self.clock,
            lambda: self.clock.now,
        )
        if is_keeping:
            cache = ExchangeCache(self, self.faults)
            self.context.sent_before, self.context.keep_sent = cache.find, cache.keep
        self.connect()

    def connect(self) -> None:
        """Open another connection."""
        self.transport = FakeTransport()
        self.connection = Connection(self.context)
        self.connection.connection_made(self.transport)

    def snapshot_for(self, _caller: str) -> Snapshot:
        return self.snapshot

    def send(self, data: bytes) -> bytes:
        """Send bytes; returns what comes back."""
        if self.transport.is_closed:
            self.connect()
        self.transport.written = b""
        self.connection.data_received(data)
        return self.transport.written

    def asked_again(self, data: bytes) -> bool:
        """Whether the service makes the response to these bytes."""
        before = len(self.made)
        self.send(data)
        return len(self.made) > before

    def _respond(self, request: Request, caller: str, now: float) -> Response:
        self.made.append(request)
        return self.service.respond(request, caller, now)

    def _record(self, _now: float, exchange: Exchange, microseconds: int) -> None:
        self.recorded.append((exchange.caller, exchange.response.status, microseconds))


class Snapshots:
    """The snapshot of each caller."""

    views = Views()

    def __init__(self, snapshots: Mapping[str, Snapshot]) -> None:
        self.snapshot_for = snapshots.__getitem__


@pytest.fixture
def client() -> Client:
    """A client whose leaf is kept."""
    client = Client()
    for _ in range(2):
        client.send(LEAF)
    assert len(client.made) == 2
    return client


def test_a_response_is_made_until_its_bytes_were_seen_twice_and_then_sent_again(client: Client) -> None:
    first = client.send(LEAF)
    assert len(client.made) == 2
    assert first.endswith(b"\r\n\r\ni-1234567890abcdef0")
    assert client.send(LEAF) == first
    assert [recorded[:2] for recorded in client.recorded] == [(CALLER, 200)] * 4


@pytest.mark.parametrize(
    ("passed", "date"),
    [
        (0.7, b"Tue, 14 Nov 2023 22:13:20 GMT"),
        (0.75, b"Tue, 14 Nov 2023 22:13:21 GMT"),
        (86_400.0, b"Wed, 15 Nov 2023 22:13:20 GMT"),
        (-0.26, b"Tue, 14 Nov 2023 22:13:19 GMT"),
        (-NOW - 0.5, b"Wed, 31 Dec 1969 23:59:59 GMT"),
    ],
)
def test_a_response_that_is_sent_again_has_the_current_date(client: Client, passed: float, date: bytes) -> None:
    before = client.send(LEAF)
    for _ in range(2):
        client.clock.now = NOW + passed
        assert client.send(LEAF) == before.replace(b"\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT", b"\r\nDate: " + date)
        client.clock.now = NOW
        assert client.send(LEAF) == before
    assert len(client.made) == 2


def test_only_the_header_is_the_date_that_changes() -> None:
    body = b"\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
    client = Client(leaves={"meta-data/dates": Leaf(body)})
    for _ in range(2):
        client.send(get(BASE + "dates"))
    client.clock.now += 1.0
    head, _, received = client.send(get(BASE + "dates")).partition(b"\r\n\r\n")
    assert len(client.made) == 2
    assert received == body
    assert head.endswith(b"\r\nDate: Tue, 14 Nov 2023 22:13:21 GMT\r\nServer: EC2ws")


def test_a_response_is_made_anew_once_it_is_no_longer_valid() -> None:
    client = Client()
    asked = get(BASE + "timed")
    for _ in range(2):
        client.send(asked)
    assert not client.asked_again(asked)
    client.clock.now += 2.0
    assert client.asked_again(asked)


def test_another_snapshot_makes_its_own_responses(client: Client) -> None:
    client.snapshot = snapshot(leaves={**LEAVES, "meta-data/instance-id": Leaf(b"i-2")})
    assert client.send(LEAF).endswith(b"\r\n\r\ni-2")


def test_the_snapshot_is_compared_once_in_a_revision(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.views.revision = object()
    looked_up: list[str] = []

    def snapshot_for(caller: str) -> Snapshot:
        looked_up.append(caller)
        return client.snapshot

    monkeypatch.setattr(client, "snapshot_for", snapshot_for)
    for _ in range(3):
        assert not client.asked_again(LEAF)
    assert looked_up == [CALLER]
    client.views.revision = object()
    assert not client.asked_again(LEAF)
    assert looked_up == [CALLER] * 2
    client.views.revision = object()
    client.snapshot = snapshot(leaves={**LEAVES, "meta-data/instance-id": Leaf(b"i-2")})
    assert client.send(LEAF).endswith(b"\r\n\r\ni-2")


def test_a_fault_applies_to_kept_responses_and_no_longer_than_it_is_armed(client: Client) -> None:
    armed = client.faults.arm(StatusFault(status=503), NOW)
    assert b" 503 " in client.send(LEAF)
    assert b" 503 " in client.send(LEAF)
    client.faults.remove(armed.id)
    assert b" 200 " in client.send(LEAF)


def test_a_listener_that_stops_closes_the_connection_after_the_response(client: Client) -> None:
    client.context.is_stopping = True
    assert b"Connection: close" in client.send(LEAF)
    assert client.transport.is_closed


def test_part_of_a_request_is_completed_by_bytes_that_are_a_kept_request() -> None:
    client = Client()
    body = get(BASE + "ami-id")
    for _ in range(3):
        client.send(body)
    head = b"GET / HTTP/1.1\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body)
    client.send(head)
    assert client.send(body) == b"", "the body is part of the request"
    assert client.connection.state is State.IDLE


def test_a_connection_that_closes_gets_kept_bytes_and_is_closed() -> None:
    client = Client()
    asked = get(BASE + "instance-id", connection="close")
    answers = [client.send(asked) for _ in range(3)]
    assert len(client.made) == 2
    assert client.transport.is_closed
    assert answers[0] == answers[2]
    assert b"Connection: close\r\n" in answers[2]


def test_a_new_connection_gets_kept_bytes_and_is_idle_after_them(client: Client) -> None:
    client.connect()
    assert not client.asked_again(LEAF)
    assert (client.connection.state, client.connection.deadline) == (State.IDLE, NOW + client.context.timeouts.idle)


def test_each_put_gets_a_token_of_its_own() -> None:
    client = Client()
    answers = [client.send(PUT) for _ in range(5)]
    assert len(client.made) == 2
    assert len({answer.rpartition(b"\r\n")[0] for answer in answers}) == 1
    tokens = {answer.rpartition(b"\r\n")[2] for answer in answers}
    assert len(tokens) == 5
    for token in tokens:
        asked = LEAF.replace(b"Host", b"X-aws-ec2-metadata-token: %s\r\nHost" % token)
        assert b"Ttl-Seconds: 600\r\n" in client.send(asked)


def test_the_hop_limit_follows_the_response_that_is_sent_again() -> None:
    client = Client(options=MetadataOptions(http_put_response_hop_limit=3))
    for _ in range(4):
        client.send(PUT)
        client.send(LEAF)
    assert len(client.made) == 4
    assert [option[2] for option in client.transport.socket.options] == [3, -1] * 4


def test_a_token_that_is_revoked_or_expires_is_refused() -> None:
    client = Client()
    token = client.send(PUT).rpartition(b"\r\n")[2]
    asked = LEAF.replace(b"Host", b"X-aws-ec2-metadata-token: %s\r\nHost" % token)
    for _ in range(3):
        client.send(asked)
    assert len(client.made) == 3
    client.clock.now = NOW + 599.9995
    assert b" 200 " in client.send(asked)
    client.clock.now = NOW + 600.001
    assert b" 401 " in client.send(asked)


requests = st.sampled_from(
    [
        *(
            LEAF,
            get(BASE),
            get(BASE + "timed"),
            get(BASE + "timed", connection="close"),
            get(BASE + "nothing"),
            get("/"),
        ),
        get(BASE + "timed").replace(b"GET", b"HEAD"),
        get(BASE + "timed") + LEAF,
        LEAF.replace(b"Host", b"X-aws-ec2-metadata-token: wrong\r\nHost"),
        get(BASE + "timed").replace(b"Host", b"X-aws-ec2-metadata-token: TOKEN\r\nHost"),
    ]
)
steps = st.lists(st.tuples(requests, st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.3, 0.99, -0.2])), min_size=5, max_size=60)


@given(steps)
def test_kept_bytes_are_those_that_would_be_made(given_steps: list[tuple[bytes, float]]) -> None:
    keeping, making = Client(), Client(is_keeping=False)
    token = making.send(PUT).rpartition(b"\r\n")[2]
    for asked, passed in given_steps:
        asked = asked.replace(b"TOKEN", token)  # noqa: PLW2901 - one step
        keeping.clock.now += passed
        making.clock.now += passed
        assert keeping.send(asked) == making.send(asked)
    assert [recorded[:2] for recorded in keeping.recorded] == [recorded[:2] for recorded in making.recorded[1:]]


def test_the_memory_for_what_was_sent_is_bounded() -> None:
    cache = ExchangeCache(
        Snapshots({"a": snapshot(), "b": snapshot()}), ArmedFaults(lambda _caller, _target: True, lambda: 0.0)
    )
    response = Response(Head.build(200), b"x" * 1000, start=0.0, end=100.0)
    for number in range(10_000):
        exchange = Exchange("ab"[number % 2], Request("GET", "/", "/"), response)
        cache.keep(exchange, b"%08d" % number, response.body, 5.0)
    kept = len(cache._exchanges)
    assert 0 < kept * 2000 < 4 * 2**20
    cache.keep(exchange, b"large", b"x" * 100_000, 5.0)
    assert cache.find(exchange.caller, b"large", 5.0) is None


def test_a_response_that_replaces_another_takes_no_more_memory() -> None:
    cache = ExchangeCache(Snapshots({CALLER: snapshot()}), ArmedFaults(lambda _caller, _target: True, lambda: 0.0))
    response = Response(Head.build(200), b"x" * 1000, start=0.0, end=1e9)
    for second in range(10_000):
        exchange = Exchange(CALLER, Request("GET", "/", "/"), response)
        cache.keep(exchange, b"same", response.body, float(second))
        if second == 0:
            cache.keep(exchange, b"first", response.body, 0.0)
    assert len(cache._exchanges) == 2
    assert cache.find(CALLER, b"same", 9999.5) is exchange


def test_a_response_that_cannot_be_made_is_not_sent_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "snapshot_for", lambda _caller: 1 // 0)
    reported: list[Exception] = []
    client.context.report_error = reported.append
    assert b" 500 " in client.send(LEAF)
    assert [type(each) for each in reported] == [ZeroDivisionError]


def test_a_client_that_does_not_read_gets_kept_bytes_once_it_reads(client: Client) -> None:
    client.connection.pause_writing()
    assert client.send(LEAF) == b""
    client.connection.resume_writing()
    assert client.transport.written.endswith(b"\r\n\r\ni-1234567890abcdef0")


def test_a_connection_that_gets_kept_bytes_counts_as_active(client: Client) -> None:
    client.clock.now += 0.5
    assert not client.asked_again(LEAF)
    assert client.connection.last_active == NOW + 0.5


def test_a_response_that_is_lost_beyond_the_hop_limit_is_lost_each_time() -> None:
    client = Client(options=MetadataOptions(container_hops=1))
    for _ in range(4):
        client.connect()
        assert client.send(PUT) == b""
        assert client.connection.state is State.STALLED


def test_the_memory_for_what_was_sent_is_used_up_to_the_bound() -> None:
    cache = ExchangeCache(Snapshots({"a": snapshot()}), ArmedFaults(lambda _caller, _target: True, lambda: 0.0))
    response = Response(Head.build(200), b"x" * 1000, start=0.0, end=100.0)
    kept = []
    for number in range(10_000):
        cache.keep(Exchange("a", Request("GET", "/", "/"), response), b"%08d" % number, response.body, 5.0)
        kept.append(len(cache._exchanges))
    most = 4 * 2**20 // 2008
    assert max(kept) == most
    assert kept.count(most) == 10_000 // most
