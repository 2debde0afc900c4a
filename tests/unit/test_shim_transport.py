"""One deadline for a whole exchange, whatever the server does."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.deadline import Deadline
from imds_shim.network.transport import HeadTransport, parse_head


@pytest.mark.measures_time
def test_single_bytes_do_not_extend_the_deadline() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        deadline = Deadline(0.3)
        request = httpx.Request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/")
        try:
            with pytest.raises(httpx.ReadTimeout):
                HeadTransport(deadline).handle_request(request)
        finally:
            over.set()
            thread.join()
    assert 0.3 <= deadline.elapsed() < 0.8


def test_nothing_is_sent_after_the_deadline() -> None:
    with pytest.raises(httpx.ConnectTimeout):
        HeadTransport(Deadline(0)).handle_request(httpx.Request("GET", "http://127.0.0.1:9/"))


def test_a_head_in_several_segments() -> None:
    whole = b"HTTP/1.1 401 Unauthorized\r\nServer: EC2ws\r\nX: a: b \r\n\r\nbody"
    end = whole.index(b"body")
    for length in range(end):
        assert parse_head(bytearray(whole[:length])) is None
    response = parse_head(bytearray(whole))
    assert response is not None
    assert (response.status_code, response.reason_phrase) == (401, "Unauthorized")
    assert dict(response.headers) == {"server": "EC2ws", "x": "a: b"}


def test_interim_responses_are_skipped() -> None:
    received = bytearray(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
    assert parse_head(received) is None
    received += b"HTTP/1.0 204\r\n\r\n"
    response = parse_head(received)
    assert response is not None
    assert response.status_code == 204


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_other_protocols_are_rejected(received: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        parse_head(bytearray(received))


@given(st.binary() | st.binary().map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail + b"\r\n\r\n"))
def test_arbitrary_bytes_raise_only_documented_errors(received: bytes) -> None:
    try:
        parse_head(bytearray(received))
    except httpx.RemoteProtocolError:
        return
