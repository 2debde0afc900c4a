"""Writes responses to one client as the bytes of HTTP/1.1, in the order in which the real service writes its lines."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

from imds_mock.service.messages import http_date
from imds_mock.wire.sockets import reset, set_hop_limit

if TYPE_CHECKING:
    import asyncio

    from imds_mock.service.messages import Response

_SERVER_LINE: Final = b"Server: EC2ws\r\n"


class ConnectionHeaders:
    """The header lines that depend on the time and the connection: `Date`, `Server` and `Connection`.

    Attributes:
        second: The second, since the epoch, for which the lines are rendered.
        staying: The lines if the connection stays open; the real service then leaves `Connection` out.
        closing: The lines if the connection closes after the response.
    """

    __slots__ = ("closing", "second", "staying")

    def __init__(self) -> None:
        self.second = -1
        self.staying = self.closing = b""

    def render(self, second: int) -> None:
        """Render the lines for a second since the epoch."""
        self.second = second
        self.staying = f"Date: {http_date(second)}\r\n".encode("ascii") + _SERVER_LINE
        self.closing = self.staying + b"Connection: close\r\n"


class ResponseWriter:
    """Sends responses over one transport.

    Args:
        transport: The connection.
        headers: The connection headers, shared by all connections.
    """

    __slots__ = ("_headers", "_hop_limit", "_pieces", "_transport")

    def __init__(self, transport: asyncio.Transport, headers: ConnectionHeaders) -> None:
        self._transport = transport
        self._headers = headers
        self._hop_limit: int | None = None
        self._pieces: list[bytes] = []

    def write(self, response: Response, method: str, now: float, *, is_last: bool) -> None:
        """Add a response to what `flush` sends.

        Args:
            response: The response.
            method: The request's method; the response to HEAD has no body.
            now: Wall-clock time in seconds since the epoch.
            is_last: The connection closes after it.
        """
        headers = self._headers
        if (second := floor(now)) != headers.second:
            headers.render(second)
        lines = headers.closing if is_last else headers.staying
        # Restored only here: a retransmission of an earlier response needs that one's hop limit.
        if response.hop_limit != self._hop_limit:
            self.flush()
            self._hop_limit = response.hop_limit
            set_hop_limit(self._transport, response.hop_limit)
        head = response.head
        pieces = self._pieces
        pieces.append(head.status_line)
        if response.token_ttl_seconds is not None:
            pieces.append(b"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: %d\r\n" % response.token_ttl_seconds)
        if not head.names_server:
            lines = lines.replace(_SERVER_LINE, b"")
        pieces += (head.leading_bytes, lines, head.trailing_bytes)
        if method != "HEAD":
            pieces.append(response.body if response.cut_after is None else response.body[: response.cut_after])

    def flush(self, sent_ahead: bytes = b"") -> None:
        """Send what was written.

        Args:
            sent_ahead: The first bytes, if they were already sent.
        """
        if self._pieces:
            self._transport.write(b"".join(self._pieces).removeprefix(sent_ahead))
            self._pieces = []

    def close(self, *, is_receiving: bool) -> bool:
        """Close the connection when everything is sent.

        Args:
            is_receiving: The client is still sending. Closing with unread bytes would reset the connection, and the
                client could lose the response; the connection is then only shut for writing.

        Returns:
            Whether everything is sent.
        """
        is_sent = not self._transport.get_write_buffer_size()
        if is_receiving:
            self._transport.resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()
        return is_sent

    def reset(self) -> None:
        """Reset the connection and drop what is not sent."""
        self._pieces = []
        reset(self._transport)
