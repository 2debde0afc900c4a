"""Sends one query to one name server, over UDP or TCP; the only module that imports dnspython.

It uses only dnspython's message layer: `dns.query` and `dns.resolver` load TLS, HTTP and asynchronous code, which takes
longer than a whole start. `resolve` reads resolv.conf and decides which names and servers to query.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from imds_shim.endpoints import IPV4
from imds_shim.frozen_record import FrozenRecord
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress

_LARGEST_MESSAGE = 65_535
_ID_BYTES = 2


class NoReplyError(Exception):
    """The server gave no usable reply; `str()` is the rest of a sentence that begins with the server's name."""


class Reply(FrozenRecord):
    """A server's reply; `alias` is the end of a CNAME chain whose addresses the reply does not contain."""

    rcode: str
    addresses: tuple[IPAddress, ...] = ()
    alias: str | None = None


class NameServer(FrozenRecord):
    """A name server's address."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        return self.address

    def query(self, name: str, version: int, deadline: Deadline, *, use_tcp: bool = False) -> Reply:
        """Query the IPv4 (A) or IPv6 (AAAA) addresses of an absolute name.

        Raises:
            NoReplyError: there was no usable reply before the deadline.
        """
        try:
            kind = dns.rdatatype.A if version == IPV4 else dns.rdatatype.AAAA
            number = int.from_bytes(os.urandom(_ID_BYTES), "big")
            message = dns.message.make_query(name, kind, use_edns=False, id=number)
            response = None if use_tcp else self._over_udp(message, deadline)
            if response is None:
                response = self._over_tcp(message, deadline)
            return _to_reply(response)
        except TimeoutError as error:
            raise NoReplyError("does not answer") from error
        except ConnectionRefusedError as error:
            raise NoReplyError("refuses the connection") from error
        except OSError as error:
            raise NoReplyError(f"cannot be reached ({error.strerror or error})") from error
        except dns.exception.DNSException as error:
            raise NoReplyError(f"sends an invalid reply ({type(error).__name__})") from error

    def _socket(self, kind: socket.SocketKind) -> tuple[socket.socket, tuple[object, ...]]:
        # Converts an address, with its zone, to the form that connect() takes. As bytes, because getaddrinfo() encodes
        # a string as an internationalized name first.
        family, _, _, _, where = socket.getaddrinfo(
            self.address.encode(), self.port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )[0]
        return socket.socket(family, kind), where

    def _over_udp(self, message: dns.message.Message, deadline: Deadline) -> dns.message.Message | None:
        """Return the response, or None if it is truncated and must be queried over TCP."""
        channel, where = self._socket(socket.SOCK_DGRAM)
        with channel:
            # Connected, so that the kernel reports a closed port and drops datagrams from other addresses.
            channel.settimeout(deadline.socket_timeout())
            channel.connect(where)
            channel.send(message.to_wire())
            while True:
                channel.settimeout(deadline.socket_timeout())
                response = _parse(channel.recv(_LARGEST_MESSAGE))
                if response is None or not message.is_response(response):
                    continue
                return None if response.flags & dns.flags.TC else response

    def _over_tcp(self, message: dns.message.Message, deadline: Deadline) -> dns.message.Message:
        channel, where = self._socket(socket.SOCK_STREAM)
        with channel:
            channel.settimeout(deadline.socket_timeout())
            channel.connect(where)
            wire = message.to_wire()
            channel.sendall(struct.pack("!H", len(wire)) + wire)
            (length,) = struct.unpack("!H", _receive_exactly(channel, 2, deadline))
            response = dns.message.from_wire(_receive_exactly(channel, length, deadline))
        if not message.is_response(response):
            raise NoReplyError("replies to another query")
        return response


def _receive_exactly(channel: socket.socket, size: int, deadline: Deadline) -> bytes:
    received = bytearray()
    while len(received) < size:
        channel.settimeout(deadline.socket_timeout())
        chunk = channel.recv(size - len(received))
        if not chunk:
            raise NoReplyError("closes the connection without a reply")
        received += chunk
    return bytes(received)


def _parse(wire: bytes) -> dns.message.Message | None:
    """Return the message, or None: an invalid datagram may be forged, so the real response is still awaited."""
    try:
        return dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
    except dns.exception.DNSException:
        return None


def _to_reply(response: dns.message.Message) -> Reply:
    rcode = dns.rcode.to_text(response.rcode())
    if not isinstance(response, dns.message.QueryMessage) or rcode not in ("NOERROR", "NXDOMAIN"):
        return Reply(rcode)
    chain = response.resolve_chaining()
    if chain.answer is not None:
        return Reply(rcode, tuple(ipaddress.ip_address(record.address) for record in chain.answer))
    asked = response.question[0].name
    return Reply(rcode, alias=chain.canonical_name.to_text() if chain.canonical_name != asked else None)
