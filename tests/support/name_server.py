"""An authoritative name server on loopback, over UDP and TCP, whose responses and failures a test scripts."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

_PLAIN_BYTES = 512  # what every client accepts (RFC 1035)


class ScriptedNameServer:
    """Answers from `records`, such as `{"mock_metadata.": {"A": ["10.0.0.2"]}}`; a name without types has no data.

    `rcodes` contains failures by name (`"*"` for every name). With `silent` it never answers, with `cut` it truncates
    UDP responses. `follows_aliases` adds the records of a CNAME's target to the response. `before_udp` returns
    datagrams to send before the response.

    `queries` contains the queries in order, such as `("udp", "mock_metadata.", "A")`.
    """

    def __init__(
        self, records: Mapping[str, Mapping[str, Sequence[str]]], address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.records = dict(records)
        self.address = address
        self._wanted_port = port
        self.rcodes: dict[str, str] = {}
        self.silent = False
        self.cut = False
        self.follows_aliases = True
        self.before_udp: Callable[[dns.message.Message], Sequence[bytes]] = lambda _query: ()
        self.queries: list[tuple[str, str, str]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        udp = self._stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        tcp = self._stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        while True:
            udp.bind((self.address, self._wanted_port))
            self.port = udp.getsockname()[1]
            try:
                tcp.bind((self.address, self.port))
                break
            except OSError:  # another program has the TCP port
                if self._wanted_port:
                    raise
                udp.close()
                udp = self._stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        tcp.listen()
        for serve, channel in ((self._serve_udp, udp), (self._serve_tcp, tcp)):
            thread = threading.Thread(target=serve, args=(channel,))
            thread.start()
            self._stack.callback(thread.join)
            self._stack.callback(_wake, channel)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _serve_udp(self, channel: socket.socket) -> None:
        while True:
            wire, peer = channel.recvfrom(4096)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            for extra in self.before_udp(query):
                channel.sendto(extra, peer)
            response = self._respond(query, "udp")
            if response is not None:
                channel.sendto(_fitting(response, query.payload or _PLAIN_BYTES), peer)

    def _serve_tcp(self, channel: socket.socket) -> None:
        while True:
            connection, _ = channel.accept()
            with connection:
                head = connection.recv(2, socket.MSG_WAITALL)
                if not head:
                    return
                wire = connection.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                response = self._respond(dns.message.from_wire(wire), "tcp")
                if response is not None:
                    answer = response.to_wire()
                    # In two parts, as a network may deliver it.
                    connection.sendall(struct.pack("!H", len(answer)) + answer[:5])
                    connection.sendall(answer[5:])

    def _respond(self, query: dns.message.Message, transport: str) -> dns.message.Message | None:
        question = query.question[0]
        self.queries.append((transport, question.name.to_text(), dns.rdatatype.to_text(question.rdtype)))
        if self.silent:
            return None
        response = dns.message.make_response(query)
        rcode = self.rcodes.get(question.name.to_text()) or self.rcodes.get("*")
        if rcode is not None:
            response.set_rcode(dns.rcode.from_text(rcode))
        elif self.cut and transport == "udp":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, question.name.to_text(), dns.rdatatype.to_text(question.rdtype))
        return response

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        known = {key.lower(): value for key, value in self.records.items()}
        types = known.get(name.lower())
        if types is None:
            if not response.answer:
                response.set_rcode(dns.rcode.NXDOMAIN)
            return
        for found in (kind, "CNAME"):
            if found in types:
                response.answer.append(dns.rrset.from_text_list(name, 60, "IN", found, types[found]))
                if found == "CNAME" and kind != "CNAME":
                    target = types["CNAME"][0]
                    if self.follows_aliases and target.lower() in known:
                        self._fill(response, target, kind)
                return


def _fitting(response: dns.message.Message, most: int) -> bytes:
    """A response, truncated to the size that the client accepts, as Docker's name server does."""
    wire = response.to_wire()
    while len(wire) > most:
        response.flags |= dns.flags.TC
        found = response.answer[-1]
        response.answer[-1] = dns.rrset.from_rdata_list(found.name, found.ttl, list(found)[:-1])
        wire = response.to_wire()
    return wire


def _wake(channel: socket.socket) -> None:
    """Wake a serving thread so that it ends: send an empty datagram, or connect and close."""
    with socket.socket(channel.family, channel.type) as waker:
        waker.connect(channel.getsockname())
        if channel.type == socket.SOCK_DGRAM:
            waker.send(b"")
