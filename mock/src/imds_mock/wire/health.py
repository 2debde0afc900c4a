"""The probe as a program: finds out whether a mock answers at a URL. The image's health check, so it imports little.

A mock answers the probe whatever its metadata options, events and faults are, and does not count it as a metadata call.
"""

from __future__ import annotations

import os
import re
import socket
from typing import Any, Final

from imds_mock.errors import OtherServerError, ProbeError

_MAX_RESPONSE_BYTES: Final = 4096
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LARGEST_PORT: Final = 65535
_LONGEST_LABEL: Final = 63
_END_OF_HEAD: Final = b"\r\n\r\n"


def probe(url: str, timeout_seconds: float) -> str:
    """The id of the mock that answers at a URL.

    Args:
        url: `http://HOST[:PORT]`, with an IPv6 address in brackets; a path is ignored.
        timeout_seconds: Timeout of the connection attempt, and of each read.

    Raises:
        ProbeError: The URL is invalid, or no server accepts the connection.
        OtherServerError: Another server is listening there.
    """
    host, port = address_of(url)
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Imds-Mock-Probe: {os.urandom(8).hex()}\r\n\r\n"
    response = b""
    failure: type[ProbeError] = ProbeError
    # As bytes where possible, because text loads the codec of internationalized names.
    is_plain = host.isascii() and all(0 < len(label) <= _LONGEST_LABEL for label in host.split("."))
    name: Any = host.encode() if is_plain else host
    try:
        with socket.create_connection((name, port), timeout_seconds) as connection:
            failure = OtherServerError
            connection.sendall(request.encode("ascii"))
            # A mock sends only headers; another server may keep the connection open after them.
            while (
                _END_OF_HEAD not in response
                and len(response) < _MAX_RESPONSE_BYTES
                and (part := connection.recv(_MAX_RESPONSE_BYTES))
            ):
                response += part
    except UnicodeError as error:
        raise ProbeError(f"{host!r} is not a valid host name: {error}") from error
    except OSError as error:
        raise failure(f"no answer from {url}: {error.strerror or error}") from error
    status_line, *lines = response.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    if " 204 " not in status_line or "x-imds-mock-id" not in fields:
        raise OtherServerError(f"the server at {url} is not imds-mock: it answers {status_line!r}")
    return fields["x-imds-mock-id"]


def address_of(url: str) -> tuple[str, int]:
    """The host and the port of a URL.

    Raises:
        ProbeError: It is not a URL of a mock.
    """
    scheme, separator, rest = url.partition("://")
    authority = rest.partition("/")[0]
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, "80"
    host = host.removeprefix("[").removesuffix("]")
    if scheme != "http" or not separator or not host or not _PORT.fullmatch(port) or int(port) > _LARGEST_PORT:
        raise ProbeError(f"invalid URL {url!r}; expected one such as http://HOST:PORT")
    return host, int(port)
