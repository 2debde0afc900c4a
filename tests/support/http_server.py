"""An HTTP server on loopback whose responses a test scripts byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nServer: nginx/1.25\r\nContent-Length: 0\r\n\r\n"


class ScriptedHttpServer:
    """Calls `answer(request_head)`, which returns the bytes to send, b"" to close at once, or None to never respond.

    `requests` contains the received heads in order.
    """

    def __init__(self, answer: Callable[[bytes], bytes | None], address: str = "127.0.0.1") -> None:
        self._answer = answer
        self.address = address
        self.requests: list[bytes] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        listener = self._stack.enter_context(socket.create_server((self.address, 0), family=family))
        self.port = listener.getsockname()[1]
        self._over = False
        thread = threading.Thread(target=self._serve, args=(listener,))
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self._wake)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _wake(self) -> None:
        self._over = True
        with socket.create_connection((self.address, self.port)):
            pass

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.ExitStack() as waiting:
            while True:
                connection, _ = listener.accept()
                if self._over:
                    connection.close()
                    return
                head = b""
                while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                    head += piece
                self.requests.append(head)
                answer = self._answer(head)
                if answer is None:
                    waiting.enter_context(connection)
                    continue
                # A client may close the connection before it has read everything.
                with connection, contextlib.suppress(ConnectionError):
                    connection.sendall(answer)


def as_mock(head: bytes, mock_id: str = "one") -> bytes:
    """Answer the probe as imds-mock does, and everything else with 404."""
    if b"x-imds-mock-probe:" in head.lower() and head.startswith(b"GET / "):
        return b"HTTP/1.1 204 No Content\r\nX-Imds-Mock-Id: " + mock_id.encode() + b"\r\n\r\n"
    return NOT_FOUND
