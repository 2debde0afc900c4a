"""The ASN.1 encodings of certificates and signed messages: DER, and the indefinite lengths of BER (X.690)."""

from __future__ import annotations

import time
from typing import Final

NULL: Final = b"\x05\x00"

_LONG_FORM: Final = 0x80
_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
# RFC 5280 4.1.2.5: from 2050 on, times have four-digit years.
_FIRST_UTC_YEAR: Final = 1950
_FIRST_GENERALIZED_YEAR: Final = 2050


def encode(tag: int, content: bytes) -> bytes:
    """A value with a definite length, from its identifier octet and its content octets."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM | len(octets)]) + octets + content


def encode_indefinite(tag: int, *values: bytes) -> bytes:
    """A constructed value with an indefinite length, ended by two zero octets."""
    return bytes([tag, _LONG_FORM]) + b"".join(values) + b"\x00\x00"


def sequence(*values: bytes) -> bytes:
    """A SEQUENCE of encoded values."""
    return encode(_SEQUENCE, b"".join(values))


def set_of(*values: bytes, tag: int = _SET) -> bytes:
    """A SET OF encoded values in the order of DER; another `tag` makes it an implicitly tagged set."""
    return encode(tag, b"".join(sorted(values)))


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return encode(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bit_string(content: bytes) -> bytes:
    """A BIT STRING of whole octets."""
    return encode(0x03, b"\x00" + content)


def octet_string(content: bytes) -> bytes:
    """An OCTET STRING."""
    return encode(0x04, content)


def object_identifier(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form, such as `1.2.840.113549.1.7.2`."""
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for arc in (first * 40 + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(_LONG_FORM | arc & 0x7F)
        content += bytes(reversed(octets))
    return encode(0x06, content)


def utf8_string(text: str) -> bytes:
    """A UTF8String."""
    return encode(0x0C, text.encode())


def time_value(seconds: float) -> bytes:
    """A Time (UTCTime or GeneralizedTime, RFC 5280) of seconds since the epoch."""
    year, month, day, hour, minute, second, *_ = time.gmtime(seconds)
    rest = f"{month:02}{day:02}{hour:02}{minute:02}{second:02}Z"
    if _FIRST_UTC_YEAR <= year < _FIRST_GENERALIZED_YEAR:
        return encode(_UTC_TIME, f"{year % 100:02}{rest}".encode())
    return encode(_GENERALIZED_TIME, f"{year:04}{rest}".encode())


def content(encoded: bytes) -> bytes:
    """The content octets of a value with a definite length.

    Raises:
        ValueError: It is truncated.
    """
    start, end = _extent(encoded)
    return encoded[start:end]


def members(encoded: bytes) -> list[bytes]:
    """The encoded members of a constructed value with a definite length.

    Raises:
        ValueError: A member is truncated.
    """
    rest, found = content(encoded), []
    while rest:
        end = _extent(rest)[1]
        found.append(rest[:end])
        rest = rest[end:]
    return found


def _extent(encoded: bytes) -> tuple[int, int]:
    if len(encoded) > 1:
        start, length = 2, encoded[1]
        if length > _LONG_FORM:
            start += length & 0x7F
            length = int.from_bytes(encoded[2:start], "big")
        if length != _LONG_FORM and start + length <= len(encoded):
            return start, start + length
    raise ValueError("the encoding is truncated")
