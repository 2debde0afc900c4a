"""Limits of size, time and number: what is refused, who is closed, and that nobody else is delayed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from imds_mock.config.settings import MetadataOptions
from imds_mock.metadata.tree import Leaf
from imds_mock.wire.context import Timeouts
from imds_mock.wire.parsing import Limits
from support.mockserver import INSTANCE_ID, LEAVES, Answer, head, read_all, read_answer, running_mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mockserver import RunningMock

LEAF = "/latest/meta-data/instance-id"
TOKEN_REQUEST = head("PUT", "/latest/api/token", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
LIMITS = Limits(target_bytes=100, head_bytes=400, headers=8, body_bytes=50)


@pytest.fixture(scope="module")
def small() -> Iterator[RunningMock]:
    with running_mock(limits=LIMITS) as running:
        yield running


def with_headers(*fields: str) -> str:
    return f"GET {LEAF} HTTP/1.1\r\n" + "".join(f"{field}\r\n" for field in fields) + "\r\n"


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (with_headers(), 200),
        (f"GET {LEAF}?{'q' * 60} HTTP/1.1\r\n\r\n", 200),
        (f"GET /{'a' * 100} HTTP/1.1\r\n\r\n", 414),
        (f"GET /{'a' * 5000}", 414),
        (with_headers(*["A: b"] * 8), 200),
        (with_headers(*["A: b"] * 9), 431),
        (with_headers(f"A: {'b' * 390}"), 200),
        (with_headers(f"A: {'b' * 400}"), 431),
        (with_headers(f"A: {'b' * 5000}").strip(), 431),
        (f"GET {LEAF} HTTP/1.1\r\n{'A' * 5000}", 431),
        ("PUT /latest/api/token HTTP/1.1\r\nContent-Length: 50\r\n\r\n", 400),
        ("PUT /latest/api/token HTTP/1.1\r\nContent-Length: 51\r\n\r\n", 413),
    ],
)
def test_sizes(small: RunningMock, request_text: str, status: int) -> None:
    with small.connect() as client:
        client.sendall(request_text.encode())
        answer = read_answer(client)
    assert answer.status == status


def test_a_body_longer_than_announced_limits_ends_the_connection(small: RunningMock) -> None:
    with small.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert read_answer(client).status == 405
        with contextlib.suppress(ConnectionError):
            client.sendall(b"40\r\n" + b"x" * 64 + b"\r\n")
            assert client.recv(1) == b""


def test_a_head_in_pieces_is_measured_whole(small: RunningMock) -> None:
    with small.connect() as client:
        client.sendall(f"GET {LEAF} HTTP/1.1\r\n".encode())
        for number in range(7):
            client.sendall(f"X-{number}: {'v' * 80}\r\n".encode())
        assert read_answer(client).status == 431


@pytest.mark.parametrize(
    ("sent", "timeouts"),
    [
        (b"", Timeouts(head=0.2, idle=60, write=60)),
        (b"GET / HT", Timeouts(head=0.2, idle=60, write=60)),
        (head("GET", LEAF, Connection="keep-alive").encode(), Timeouts(head=60, idle=0.2, write=60)),
        (head("GET", LEAF, Connection="keep-alive").encode() + b"GE", Timeouts(head=0.2, idle=60, write=60)),
    ],
)
def test_a_silent_connection_is_closed_in_time(sent: bytes, timeouts: Timeouts) -> None:
    with running_mock(timeouts=timeouts) as mock, mock.connect() as client:
        client.sendall(sent)
        answered = read_all(client)
        assert answered.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_a_new_connection_has_the_time_for_a_head_however_short_the_others_are() -> None:
    with running_mock(timeouts=Timeouts(head=60, idle=0.1, write=0.1)) as mock, mock.connect() as new:
        with mock.connect() as idle:
            idle.sendall(head("GET", LEAF, Connection="keep-alive").encode())
            assert read_all(idle).endswith(INSTANCE_ID.encode())
        new.sendall(head("GET", LEAF).encode())
        assert Answer.parse(read_all(new)).status == 200


def test_a_drip_of_bytes_does_not_extend_the_time_for_a_head() -> None:
    with running_mock(timeouts=Timeouts(head=0.3, idle=60, write=60)) as mock, mock.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nA: ")
        client.settimeout(0.01)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 60:
                client.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if client.recv(1) == b"":
                        break
        assert time.monotonic() - began < 30


def test_a_client_that_never_reads_is_dropped() -> None:
    leaves = {**LEAVES, "user-data": Leaf(b"x" * 100_000)}
    with (
        running_mock(leaves=leaves, timeouts=Timeouts(head=60, idle=60, write=0.3)) as mock,
        mock.connect() as client,
    ):
        client.settimeout(60)
        asked = head("GET", "/latest/user-data", Connection="keep-alive").encode()
        with pytest.raises(ConnectionError):
            client.sendall(asked * 100_000)


def test_beyond_the_cap_the_most_silent_connection_makes_room() -> None:
    with running_mock(connections=32) as mock, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(mock.connect()) for _ in range(32)]
        asked = head("GET", LEAF, Connection="keep-alive").encode()
        for client in clients:
            client.sendall(asked)
            assert read_answer(client).status == 200
        assert mock.get(LEAF).status == 200
        assert clients[0].recv(1) == b""
        clients[-1].sendall(asked)
        assert read_answer(clients[-1]).status == 200


def test_a_lost_token_answer_leaves_the_client_waiting() -> None:
    options = MetadataOptions(http_put_response_hop_limit=1, container_hops=1)
    with running_mock(options, timeouts=Timeouts(head=60, idle=60, write=60)) as mock, mock.connect() as client:
        client.sendall(TOKEN_REQUEST.encode())
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert mock.get(LEAF).body == INSTANCE_ID.encode()
        assert len(mock.context.connections) == 1


def test_a_lost_token_answer_may_look_like_a_reset() -> None:
    options = MetadataOptions(container_hops=1, hop_limit_effect="reset")
    with running_mock(options) as mock, mock.connect() as client:
        client.sendall(TOKEN_REQUEST.encode())
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_64_clients_putting_tokens_at_once_all_get_one() -> None:
    seconds = 1.0
    with running_mock() as mock:
        end = time.monotonic() + seconds
        failures: list[Answer] = []
        counts = []

        def put() -> None:
            count = 0
            asked = TOKEN_REQUEST.replace("\r\n", "\r\nConnection: keep-alive\r\n", 1)
            with mock.connect() as client:
                while time.monotonic() < end or count == 0:
                    client.sendall(asked.encode())
                    answer = read_answer(client)
                    count += 1
                    if answer.status != 200 or len(answer.body) != 56:
                        failures.append(answer)
            counts.append(count)

        threads = [threading.Thread(target=put) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(counts) == 64


def test_an_overflowing_backlog_of_connections_is_served() -> None:
    with running_mock() as mock, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", mock.port), 60)) for _ in range(500)]
        for client in clients:
            client.sendall(head("GET", LEAF).encode())
        assert all(Answer.parse(read_all(client)).status == 200 for client in clients)


def test_connections_that_wait_to_be_accepted_when_it_stops_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imds_mock.wire.server._NEW_SECONDS", 10.0)  # this process may get no processor for a while
    with running_mock() as mock, contextlib.ExitStack() as stack:
        may_go_on = threading.Event()
        mock.loop.call_soon_threadsafe(may_go_on.wait, 60)
        stopping = asyncio.run_coroutine_threadsafe(mock.plane.stop(5), mock.loop)
        clients = [stack.enter_context(mock.connect()) for _ in range(50)]
        for client in clients[::2]:
            client.sendall(head("GET", LEAF).encode())
        may_go_on.set()
        for client in clients[1::2]:
            client.sendall(head("GET", LEAF).encode())
        assert {Answer.parse(read_all(client)).status for client in clients} == {200}
        stopping.result(60)


def test_a_connection_that_was_just_opened_when_it_stops_may_still_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imds_mock.wire.server._NEW_SECONDS", 2.0)  # this process may get no processor for a while
    with running_mock() as mock, mock.connect() as opened, mock.connect() as silent:
        assert mock.get(LEAF).status == 200  # so the others are accepted
        stopping = asyncio.run_coroutine_threadsafe(mock.plane.stop(60), mock.loop)
        with contextlib.suppress(ConnectionError):  # a connection in the queue of a closing listener is reset
            while True:
                mock.connect().close()
        opened.sendall(head("GET", LEAF).encode())
        assert Answer.parse(read_all(opened)).status == 200
        assert read_all(silent) == b""
        stopping.result(60)
