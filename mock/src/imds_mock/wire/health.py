"""The probe as a program: does a mock answer here? Used as the image's health check, so it imports next to nothing.

The probe is answered whatever the metadata options, events and faults say, and counts as no metadata call.
"""

from __future__ import annotations

import re
import secrets
import socket
from typing import Final

from imds_mock.errors import ProbeError, StrangerError

_MAX_ANSWER: Final = 4096
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LARGEST_PORT: Final = 65535
_END_OF_HEAD: Final = b"\r\n\r\n"


def probe(url: str, timeout_seconds: float) -> str:
    """Ask a mock who it is.

    Args:
        url: `http://HOST[:PORT]`, an IPv6 address in brackets; a path is ignored.
        timeout_seconds: For the connection, and again for each part of the answer.

    Returns:
        The id that the mock made when it started.

    Raises:
        ProbeError: The URL is none, or nobody answers.
        StrangerError: The one who is there is no imds-mock.
    """
    host, port = _address(url)
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Imds-Mock-Probe: {secrets.token_hex(8)}\r\n\r\n"
    answer = b""
    failure: type[ProbeError] = ProbeError
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            failure = StrangerError
            connection.sendall(request.encode("ascii"))
            # The head is all; one who is no mock may keep the connection open behind it.
            while _END_OF_HEAD not in answer and len(answer) < _MAX_ANSWER and (part := connection.recv(_MAX_ANSWER)):
                answer += part
    except UnicodeError as error:
        raise ProbeError(f"{host!r} is no host name: {error}") from error
    except OSError as error:
        raise failure(f"{url} does not answer: {error.strerror or error}") from error
    status_line, *lines = answer.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    if " 204 " not in status_line or "x-imds-mock-id" not in fields:
        raise StrangerError(f"{url} is answered by something that is not imds-mock: {status_line!r}")
    return fields["x-imds-mock-id"]


def _address(url: str) -> tuple[str, int]:
    scheme, separator, rest = url.partition("://")
    authority = rest.partition("/")[0]
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, "80"
    host = host.removeprefix("[").removesuffix("]")
    if scheme != "http" or not separator or not host or not _PORT.fullmatch(port) or int(port) > _LARGEST_PORT:
        raise ProbeError(f"expected a URL such as http://HOST:PORT, got {url!r}")
    return host, int(port)
