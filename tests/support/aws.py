"""Stand-ins for AWS on loopback: moto's server, and responses of STS for a scripted server."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

from support.paths import PROGRAMS
from support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOTO: Final = PROGRAMS / "moto_server"
START_SECONDS: Final = 60
_ERROR: Final = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
)


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Run moto's server until the block ends; gives its address."""
    with reserved_port() as port:
        process = subprocess.Popen(
            [MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not _answers(port):
                assert process.poll() is None
                assert time.monotonic() < until
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5):
            return True
    except OSError:
        return False


def sts_error(status: int, code: str, message: str) -> bytes:
    """An error response of STS."""
    return _answer(f"{status} Error", "text/xml", _ERROR.format(code=code, message=message).encode())


def json_answer(document: Mapping[str, Any]) -> bytes:
    """A response of a JSON service."""
    return _answer("200 OK", "application/json", json.dumps(document).encode())


def _answer(status: str, content_type: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
