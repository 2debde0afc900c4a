"""The forwarder of the demo: a client is answered, or learns at once that there is no server."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from port_forward import forwarded

if TYPE_CHECKING:
    from pathlib import Path


def connect(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def test_bytes_travel_in_both_directions(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()

        def answer() -> None:
            with listening.accept()[0] as accepted:
                accepted.sendall(b"answer to " + accepted.recv(100))

        server = threading.Thread(target=answer)
        server.start()
        with forwarded(tmp_path / "socket") as address, connect(address) as client:
            client.sendall(b"question")
            assert client.makefile("rb").read() == b"answer to question"
        server.join()


def test_a_client_does_not_wait_for_a_server_that_is_missing(tmp_path: Path) -> None:
    with forwarded(tmp_path / "missing") as address, connect(address) as client:
        assert client.recv(1) == b""
