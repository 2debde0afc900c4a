"""One deadline for a whole exchange, whatever the server does with it."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from imds_shim.deadline import Deadline
from imds_shim.transport import HeadTransport


def test_a_byte_now_and_then_does_not_stretch_the_deadline() -> None:
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


def test_nothing_is_sent_when_the_time_is_over() -> None:
    with pytest.raises(httpx.ConnectTimeout):
        HeadTransport(Deadline(0)).handle_request(httpx.Request("GET", "http://127.0.0.1:9/"))
