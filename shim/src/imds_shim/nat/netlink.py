"""Netlink requests (RFC 3549), independent of the family: framing, attributes, acknowledgements.

Numbers are in the machine's byte order, except where a family specifies another.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Self

from imds_shim.frozen_record import FrozenRecord
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

NLM_F_REQUEST, NLM_F_ACK = 0x001, 0x004
NLM_F_DUMP, NLM_F_CREATE = 0x300, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
NLA_F_NESTED = 0x8000
# The kernel puts at most 32 kB of a dump into one datagram.
LARGEST_DATAGRAM = 65536
TIMEOUT_SECONDS = 5.0

_HEADER = struct.Struct("=IHHII")  # length with this header, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # length with this header, type


class Message(FrozenRecord):
    """A message: its type and the body after the netlink header."""

    kind: int
    body: bytes


class Netlink:
    """A netlink socket of one family; a context manager."""

    def __init__(self, family: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
        self._socket.settimeout(TIMEOUT_SECONDS)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def request(self, kind: int, body: bytes, flags: int = 0) -> list[Message]:
        """Send one request and return the messages of the response.

        Raises:
            OSError: the kernel's error, or TimeoutError without a response.
        """
        self._sequence += 1
        flags |= NLM_F_REQUEST if flags & NLM_F_DUMP == NLM_F_DUMP else NLM_F_REQUEST | NLM_F_ACK
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
        response: list[Message] = []
        while True:
            for message, sequence in _messages(self._socket.recv(LARGEST_DATAGRAM)):
                if sequence != self._sequence:
                    continue
                if message.kind in (NLMSG_ERROR, NLMSG_DONE):
                    _raise_on_error(message.body)
                    return response
                response.append(message)


def attribute(kind: int, data: bytes) -> bytes:
    """Encode an attribute, padded to a multiple of four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data + bytes(-len(data) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Encode an attribute that contains others."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def attributes(data: bytes) -> dict[int, bytes]:
    """Decode a sequence of attributes; of two with one type, the last counts."""
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            break
        found[kind & NLA_TYPE_MASK] = data[_ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]
    return found


def _messages(datagram: bytes) -> Iterator[tuple[Message, int]]:
    while len(datagram) >= _HEADER.size:
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram)
        if not _HEADER.size <= length <= len(datagram):
            return
        yield Message(kind, datagram[_HEADER.size : length]), sequence
        datagram = datagram[length + -length % 4 :]


def _raise_on_error(body: bytes) -> None:
    """Raise the error of an acknowledgement or end of dump; both begin with a negative error number, or 0."""
    (code,) = struct.unpack_from("=i", body) if len(body) >= 4 else (0,)  # noqa: PLR2004 - the size of that number
    if code < 0:
        raise OSError(-code, os.strerror(-code))
