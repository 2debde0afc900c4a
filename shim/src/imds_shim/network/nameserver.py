"""One question to one name server over UDP, or TCP when the answer does not fit; the only module that names dnspython.

Only its message layer is used: `dns.query` and `dns.resolver` load TLS, HTTP and asynchronous code, which costs more
than a whole start may take. Reading resolv.conf and choosing what to ask whom is `resolve`'s part.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from imds_shim.record import Record

if TYPE_CHECKING:
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress

_IPV4 = 4
_LARGEST_MESSAGE = 65_535
_ID_BYTES = 2


class NoReplyError(Exception):
    """The server gave no answer that can be used; `str()` says in what way."""


class Reply(Record):
    """What a server said: `rcode` as it is spelled, `alias` where a CNAME leads to a name it said nothing about."""

    rcode: str
    addresses: tuple[IPAddress, ...] = ()
    alias: str | None = None


class NameServer(Record):
    """Where a name server listens."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        return self.address

    def ask(self, name: str, version: int, deadline: Deadline, *, use_tcp: bool = False) -> Reply:
        """Ask for the IPv4 (A) or IPv6 (AAAA) addresses of an absolute name.

        Raises:
            NoReplyError: nothing usable came until the deadline.
        """
        try:
            kind = dns.rdatatype.A if version == _IPV4 else dns.rdatatype.AAAA
            number = int.from_bytes(os.urandom(_ID_BYTES), "big")
            query = dns.message.make_query(name, kind, use_edns=False, id=number)
            response = None if use_tcp else self._over_udp(query, deadline)
            if response is None:
                response = self._over_tcp(query, deadline)
            return _read(response)
        except TimeoutError as error:
            raise NoReplyError("does not answer") from error
        except ConnectionRefusedError as error:
            raise NoReplyError("refuses the connection") from error
        except OSError as error:
            raise NoReplyError(f"cannot be reached ({error.strerror or error})") from error
        except dns.exception.DNSException as error:
            raise NoReplyError(f"sends an unreadable answer ({type(error).__name__})") from error

    def _socket(self, kind: socket.SocketKind) -> tuple[socket.socket, tuple[object, ...]]:
        # Resolves nothing: it only turns the text of an address, zone included, into what connect() takes. As bytes,
        # because text would be encoded as a name in some script first.
        family, _, _, _, where = socket.getaddrinfo(
            self.address.encode(), self.port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )[0]
        return socket.socket(family, kind), where

    def _over_udp(self, query: dns.message.Message, deadline: Deadline) -> dns.message.Message | None:
        """Return the answer, or None when it was cut off and has to be asked for over TCP."""
        channel, where = self._socket(socket.SOCK_DGRAM)
        with channel:
            # Connected, so that a closed port is reported and datagrams of others are not delivered.
            channel.settimeout(_left(deadline))
            channel.connect(where)
            channel.send(query.to_wire())
            while True:
                channel.settimeout(_left(deadline))
                response = _parse(channel.recv(_LARGEST_MESSAGE))
                if response is None or not query.is_response(response):
                    continue
                return None if response.flags & dns.flags.TC else response

    def _over_tcp(self, query: dns.message.Message, deadline: Deadline) -> dns.message.Message:
        channel, where = self._socket(socket.SOCK_STREAM)
        with channel:
            channel.settimeout(_left(deadline))
            channel.connect(where)
            wire = query.to_wire()
            channel.sendall(struct.pack("!H", len(wire)) + wire)
            (length,) = struct.unpack("!H", _exactly(channel, 2, deadline))
            response = dns.message.from_wire(_exactly(channel, length, deadline))
        if not query.is_response(response):
            raise NoReplyError("answers another question")
        return response


def _left(deadline: Deadline) -> float:
    remaining = deadline.remaining()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _exactly(channel: socket.socket, size: int, deadline: Deadline) -> bytes:
    received = bytearray()
    while len(received) < size:
        channel.settimeout(_left(deadline))
        piece = channel.recv(size - len(received))
        if not piece:
            raise NoReplyError("closes the connection without an answer")
        received += piece
    return bytes(received)


def _parse(wire: bytes) -> dns.message.Message | None:
    """Return the message; a datagram that is none may be anybody's, so the real answer is still waited for."""
    try:
        return dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
    except dns.exception.DNSException:
        return None


def _read(response: dns.message.Message) -> Reply:
    rcode = dns.rcode.to_text(response.rcode())
    if not isinstance(response, dns.message.QueryMessage) or rcode not in ("NOERROR", "NXDOMAIN"):
        return Reply(rcode)
    chain = response.resolve_chaining()
    if chain.answer is not None:
        return Reply(rcode, tuple(ipaddress.ip_address(record.address) for record in chain.answer))
    asked = response.question[0].name
    return Reply(rcode, alias=chain.canonical_name.to_text() if chain.canonical_name != asked else None)
