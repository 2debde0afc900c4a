"""Writes responses to one client as the bytes of HTTP/1.1, in the order in which the real service writes its lines."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

from imds_mock.service.messages import http_date
from imds_mock.wire.sockets import reset, set_hop_limit

if TYPE_CHECKING:
    import asyncio

    from imds_mock.service.exchange import Exchange
    from imds_mock.service.messages import Response

_SERVER_LINE: Final = b"Server: EC2ws\r\n"


class ConnectionHeaders:
    """Renders the header lines that depend on the time and the connection: `Date`, `Server` and `Connection`."""

    __slots__ = ("_closing", "_second", "_staying")

    def __init__(self) -> None:
        self._second = -1
        self._staying = self._closing = b""

    def staying(self, now: float) -> bytes:
        """The lines if the connection stays open; the real service then omits `Connection`.

        Args:
            now: Wall-clock time in seconds since the epoch.
        """
        second = floor(now)
        if second != self._second:
            self._render(second)
        return self._staying

    def closing(self, now: float) -> bytes:
        """The lines if the connection closes after the response.

        Args:
            now: Wall-clock time in seconds since the epoch.
        """
        second = floor(now)
        if second != self._second:
            self._render(second)
        return self._closing

    def _render(self, second: int) -> None:
        self._second = second
        self._staying = f"Date: {http_date(second)}\r\n".encode("ascii") + _SERVER_LINE
        self._closing = self._staying + b"Connection: close\r\n"


class ResponseWriter:
    """The sending side of a connection, as its base class: a separate object would make each new connection slower."""

    __slots__ = ("_hop_limit", "_pieces", "_transport")

    def attach(self, transport: asyncio.Transport) -> None:
        """Send over this transport."""
        self._transport = transport
        self._hop_limit: int | None = None
        self._pieces: list[bytes] = []

    def write(self, response: Response, method: str, lines: bytes) -> bytes:
        """Add a response to what `flush` sends.

        Args:
            response: The response.
            method: The request's method; the response to HEAD has no body.
            lines: The connection headers.

        Returns:
            The bytes of the response.
        """
        if response.hop_limit != self._hop_limit:
            self.flush()
            self._use_hop_limit(response)
        head = response.head
        ttl, body = b"", response.body
        if response.token_ttl_seconds is not None:
            ttl = b"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: %d\r\n" % response.token_ttl_seconds
        if not head.names_server:
            lines = lines.replace(_SERVER_LINE, b"")
        if method == "HEAD":
            body = b""
        elif response.cut_after is not None:
            body = body[: response.cut_after]
        data = b"".join((head.status_line, ttl, head.leading_bytes, lines, head.trailing_bytes, body))
        self._pieces.append(data)
        return data

    def send_again(self, exchange: Exchange, now: float) -> None:
        """Send the kept response of an exchange at once; everything before must have been sent.

        Args:
            exchange: An exchange whose response is kept.
            now: Wall-clock time of the request in seconds since the epoch.
        """
        response = exchange.response
        if response.hop_limit != self._hop_limit:
            self._use_hop_limit(response)
        renew = response.renew
        self._transport.write(exchange.data if renew is None else exchange.data + renew(now))

    def _use_hop_limit(self, response: Response) -> None:
        # Restored only for the next response: a retransmission of an earlier one needs that one's hop limit.
        self._hop_limit = response.hop_limit
        set_hop_limit(self._transport, response.hop_limit)

    def flush(self, sent_ahead: bytes = b"") -> None:
        """Send what was written.

        Args:
            sent_ahead: The first bytes, if they were already sent.
        """
        if self._pieces:
            data = b"".join(self._pieces)
            self._transport.write(data.removeprefix(sent_ahead) if sent_ahead else data)
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
