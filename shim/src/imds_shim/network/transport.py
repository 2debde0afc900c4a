"""httpx over one plain TCP connection, with one deadline for the whole exchange.

httpx's own transport limits each read by itself, so that a server which sends a byte now and then is never given up;
it also brings a TLS context, which plain HTTP to the mock has no use for. The usual start reads only the head of an
answer (RFC 9112, sections 3 to 5); `body` reads the rest, where the caller asks for it.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from imds_shim.deadline import Deadline

_PIECE_BYTES = 65_536
_LONGEST_HEAD_BYTES = 65_536
_STATUS_DIGITS = 3
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # alert, handshake
_HTTP2_SETTINGS = b"\x04"


class HeadTransport(httpx.BaseTransport):
    """Sends a request without a body and reads the head of its answer; the connection ends with that.

    Where the request's extension `body_bytes` is not 0, the answer's extension `body` holds the body, cut off after so
    many bytes.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self.has_begun = False
        """Whether some of the last answer has arrived."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return status and headers of the answer.

        Raises:
            httpx.ConnectTimeout: nobody answered the connection attempt.
            httpx.ConnectError: the connection was refused, or there is no way to the address.
            httpx.ReadTimeout: the server accepted the connection and did not answer in time.
            httpx.ReadError: the server ended the connection.
            httpx.RemoteProtocolError: what it sent is not HTTP.
        """
        self.has_begun = False
        try:
            channel = self._connected(request.url.host, request.url.port or 80)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        with channel:
            return self._exchange(channel, request)

    def _connected(self, address: str, port: int) -> socket.socket:
        """Connect to an IP address; `socket.create_connection` would encode it as a name in some script first."""
        channel = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            channel.settimeout(self._left(httpx.ConnectTimeout))
            channel.connect((address, port))
        except BaseException:
            channel.close()
            raise
        return channel

    def _exchange(self, channel: socket.socket, request: httpx.Request) -> httpx.Response:
        try:
            channel.sendall(_written(request))
            received = bytearray()
            while (response := read_head(received)) is None:
                piece = self._piece(channel)
                if not piece:
                    raise httpx.ReadError("the server closed the connection")
                received += piece
            limit = request.extensions.get("body_bytes")
            if limit:
                response.extensions["body"] = self._body(response, received, channel, limit)
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        return response

    def _body(self, response: httpx.Response, received: bytearray, channel: socket.socket, limit: int) -> bytes:
        from imds_shim.network.body import read_body  # noqa: PLC0415 - imds-mock is known by the head of its answer

        try:
            return read_body(response.status_code, response.headers, received, lambda: self._piece(channel), limit)
        except ValueError as error:
            raise httpx.RemoteProtocolError(str(error)) from error

    def _piece(self, channel: socket.socket) -> bytes:
        channel.settimeout(self._left(httpx.ReadTimeout))
        piece = channel.recv(_PIECE_BYTES)
        self.has_begun = self.has_begun or bool(piece)
        return piece

    def _left(self, timeout: type[httpx.TimeoutException]) -> float:
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise timeout("the time is over")
        return remaining


def _written(request: httpx.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b"", b""])


def read_head(received: bytearray) -> httpx.Response | None:
    """Return the final answer's status and headers, or None while they are not complete.

    Takes interim answers and the head off `received`, which then holds what has arrived of the body.

    Raises:
        httpx.RemoteProtocolError: this is not how an HTTP/1 answer begins, or its head has no end.
    """
    while True:
        head, end, rest = bytes(received).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1."[: len(head)]):
            raise httpx.RemoteProtocolError(_protocol(head))
        if not end:
            if len(head) > _LONGEST_HEAD_BYTES:
                raise httpx.RemoteProtocolError("its head has no end")
            return None
        received[:] = rest
        status_line, *lines = head.split(b"\r\n")
        status, _, reason = status_line[len(b"HTTP/1.1 ") :].partition(b" ")
        if not (len(status) == _STATUS_DIGITS and status.isdigit()):
            raise httpx.RemoteProtocolError(f"its status line is {status_line[:60]!r}")
        if not status.startswith(b"1"):
            headers = [_header(line) for line in lines]
            return httpx.Response(int(status), headers=headers, extensions={"reason_phrase": reason.strip()})


def _protocol(head: bytes) -> str:
    """Say what the server speaks instead of HTTP/1, as far as its first bytes show (RFC 8446, 5.1; RFC 9113, 4.1)."""
    if head.startswith(_TLS_RECORDS):
        return "it expects TLS"
    if head.startswith(b"HTTP/2") or (head[:1] == b"\0" and head[3:4] == _HTTP2_SETTINGS):
        return "it expects HTTP/2"
    return f"it begins with {head[:20].decode('latin-1')!r}"


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not (colon and name) or name.strip() != name:
        raise httpx.RemoteProtocolError(f"one of its headers is {line[:60]!r}")
    return name, value.strip()
