"""An httpx transport over one plain TCP connection, with one deadline for the whole exchange.

The timeout of httpx's own transport applies to each read, so a server that sends single bytes could delay a start
without limit. It also loads TLS, which the mock's plain HTTP does not need. Usually only the head of a response is read
(RFC 9112, sections 3 to 5); `body` reads the rest if the caller wants it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from imds_shim.deadline import Deadline

_RECEIVE_BYTES = 65_536
_LONGEST_HEAD_BYTES = 65_536
_STATUS_DIGITS = 3
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # alert, handshake
_HTTP2_SETTINGS = b"\x04"


class HeadTransport(httpx.BaseTransport):
    """Sends a request without a body, reads the head of the response and closes the connection.

    If the request's extension `body_bytes` is not 0, the response's extension `body` is the body up to this size.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self.response_started = False
        """Whether a part of the last response has arrived."""
        self.local_address = ""
        """The address that the last connection came from, as this network namespace sees it."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return status and headers of the response.

        Raises:
            httpx.ConnectTimeout: the connection attempt was not answered in time.
            httpx.ConnectError: the connection was refused, or there is no route to the address.
            httpx.ReadTimeout: the server did not answer in time.
            httpx.ReadError: the server closed the connection.
            httpx.RemoteProtocolError: the response is not HTTP.
        """
        self.response_started = False
        try:
            channel = self._connected(request.url.host, request.url.port or 80)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        with channel:
            return self._exchange(channel, request)

    def _connected(self, address: str, port: int) -> socket.socket:
        """Connect to an IP address; `socket.create_connection` would load the codec for internationalized names."""
        channel = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            channel.settimeout(self._deadline.socket_timeout())
            channel.connect((address, port))
            self.local_address = channel.getsockname()[0]
        except BaseException:
            channel.close()
            raise
        return channel

    def _exchange(self, channel: socket.socket, request: httpx.Request) -> httpx.Response:
        try:
            channel.sendall(_serialize(request))
            received = bytearray()
            while (response := parse_head(received)) is None:
                chunk = self._receive(channel)
                if not chunk:
                    raise httpx.ReadError("the server closed the connection")
                received += chunk
            limit = request.extensions.get("body_bytes")
            if limit:
                response.extensions["body"] = self._body(response, received, channel, limit)
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        return response

    def _body(self, response: httpx.Response, received: bytearray, channel: socket.socket, limit: int) -> bytes:
        from imds_shim.network.body import read_body

        try:
            return read_body(response.status_code, response.headers, received, lambda: self._receive(channel), limit)
        except ValueError as error:
            raise httpx.RemoteProtocolError(str(error)) from error

    def _receive(self, channel: socket.socket) -> bytes:
        channel.settimeout(self._deadline.socket_timeout())
        chunk = channel.recv(_RECEIVE_BYTES)
        self.response_started = self.response_started or bool(chunk)
        return chunk


def _serialize(request: httpx.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b"", b""])


def parse_head(received: bytearray) -> httpx.Response | None:
    """Return status and headers of the final response, or None while they are incomplete.

    Removes interim responses and the head from `received`, which then holds the beginning of the body.

    Raises:
        httpx.RemoteProtocolError: this is not an HTTP/1 response, or its head is too long.
    """
    while True:
        head, end, rest = bytes(received).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1."[: len(head)]):
            raise httpx.RemoteProtocolError(_describe_protocol(head))
        if not end:
            if len(head) > _LONGEST_HEAD_BYTES:
                raise httpx.RemoteProtocolError("its headers are too long")
            return None
        received[:] = rest
        status_line, *lines = head.split(b"\r\n")
        status, _, reason = status_line[len(b"HTTP/1.1 ") :].partition(b" ")
        if not (len(status) == _STATUS_DIGITS and status.isdigit()):
            raise httpx.RemoteProtocolError(f"its status line is {status_line[:60]!r}")
        if not status.startswith(b"1"):
            headers = [_parse_header(line) for line in lines]
            # A stream that is never read: without one, httpx decodes an empty body.
            stream, extensions = httpx.SyncByteStream(), {"reason_phrase": reason.strip()}
            return httpx.Response(int(status), headers=headers, stream=stream, extensions=extensions)


def _describe_protocol(head: bytes) -> str:
    """Describe the server's protocol by its first bytes (RFC 8446, section 5.1; RFC 9113, section 4.1)."""
    if head.startswith(_TLS_RECORDS):
        return "it expects TLS"
    if head.startswith(b"HTTP/2") or (head[:1] == b"\0" and head[3:4] == _HTTP2_SETTINGS):
        return "it expects HTTP/2"
    return f"it begins with {head[:20].decode('latin-1')!r}"


def _parse_header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not (colon and name) or name.strip() != name:
        raise httpx.RemoteProtocolError(f"one of its headers is {line[:60]!r}")
    return name, value.strip()
