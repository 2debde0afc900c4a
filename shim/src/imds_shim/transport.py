"""httpx over one plain TCP connection, with one deadline for the whole exchange.

httpx's own transport limits each read by itself, so that a server which sends a byte now and then is never given up;
it also brings a TLS context, which plain HTTP to the mock has no use for. The protocol itself is h11's, as there.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import h11
import httpx

if TYPE_CHECKING:
    from imds_shim.deadline import Deadline

_PIECE_BYTES = 65_536


class HeadTransport(httpx.BaseTransport):
    """Sends a request without a body and reads the head of its answer; the connection ends with that."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return status and headers of the answer.

        Raises:
            httpx.ConnectTimeout: nobody answered the connection attempt.
            httpx.ConnectError: the connection was refused, or there is no way to the address.
            httpx.ReadTimeout: the server accepted the connection and did not answer in time.
            httpx.ReadError: the server ended the connection.
            httpx.RemoteProtocolError: what it sent is not HTTP.
        """
        try:
            channel = socket.create_connection(
                (request.url.host, request.url.port or 80), timeout=self._left(httpx.ConnectTimeout)
            )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        with channel:
            return self._exchange(channel, request)

    def _exchange(self, channel: socket.socket, request: httpx.Request) -> httpx.Response:
        connection = h11.Connection(h11.CLIENT)
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        try:
            channel.sendall((connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b""))
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Response):
                    extensions = {"reason_phrase": bytes(event.reason)}
                    return httpx.Response(event.status_code, headers=list(event.headers), extensions=extensions)
                if event is h11.NEED_DATA:
                    channel.settimeout(self._left(httpx.ReadTimeout))
                    piece = channel.recv(_PIECE_BYTES)
                    if not piece:
                        raise httpx.ReadError("the server closed the connection")
                    connection.receive_data(piece)
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error

    def _left(self, timeout: type[httpx.TimeoutException]) -> float:
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise timeout("the time is over")
        return remaining
