"""An answer as the bytes of HTTP/1.1, in the order in which the real service writes its lines."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

from imds_mock.service.answers import http_date

if TYPE_CHECKING:
    from imds_mock.service.messages import Response

_SERVER_LINE: Final = b"Server: EC2ws\r\n"


class ConnectionHeaders:
    """The header lines that belong to the moment and the connection: `Date`, `Server`, `Connection`."""

    __slots__ = ("_closing", "_second", "_staying")

    def __init__(self) -> None:
        self._second = -1
        self._closing = self._staying = b""

    def staying(self, now: float) -> bytes:
        """The lines for a connection that stays open; the real service says so by leaving `Connection` out.

        Args:
            now: Seconds since the epoch.
        """
        second = floor(now)
        if second != self._second:
            self._render(second)
        return self._staying

    def closing(self, now: float) -> bytes:
        """The lines for a connection that closes after its response.

        Args:
            now: Seconds since the epoch.
        """
        second = floor(now)
        if second != self._second:
            self._render(second)
        return self._closing

    def _render(self, second: int) -> None:
        self._second = second
        self._staying = f"Date: {http_date(second)}\r\n".encode("ascii") + _SERVER_LINE
        self._closing = self._staying + b"Connection: close\r\n"


def write(out: list[bytes], response: Response, passing: bytes, method: str) -> None:
    """Append an answer to what is going to be sent.

    Args:
        out: Pieces of bytes.
        response: The answer.
        passing: The header lines of the moment and the connection.
        method: Method of the request; the response to HEAD has no body.
    """
    head = response.head
    out.append(head.status_line)
    if response.token_ttl_seconds is not None:
        out.append(b"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: %d\r\n" % response.token_ttl_seconds)
    if not head.names_server:
        passing = passing.replace(_SERVER_LINE, b"")
    out += (head.leading_bytes, passing, head.trailing_bytes)
    if method != "HEAD":
        out.append(response.body if response.cut_after is None else response.body[: response.cut_after])
