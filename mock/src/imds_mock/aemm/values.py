"""Readers of single values, as AEMM's libraries read them from flags, variables and files.

A number is welcome where text is wanted and text where a number is wanted; an empty text counts as a value: it is zero
for a number, off for a switch, "none" for a time, and wrong for a choice. Times are RFC 3339.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Final

Value = str | int | bool | None
Reader = Callable[[object], Value]

_SWITCHES: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("", "0", "f", "F", "false", "FALSE", "False"), False),
}
_RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
_MAX_PORT: Final = 65535
_INT64: Final = 1 << 63


def text(raw: object) -> str:
    """Read text; numbers and switches become text as they would be written.

    Raises:
        ValueError: It is an object or a list; the message says what was expected, as those of all readers do.
    """
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    if isinstance(raw, datetime):
        return raw.isoformat().replace("+00:00", "Z")
    if raw is None:
        return ""
    if not isinstance(raw, str | int | float | date | time):
        raise ValueError(f"expected text, got {_kind(raw)}")  # noqa: TRY004 - the value is wrong, not the program
    written = str(raw)
    if not written.isascii():
        try:
            written.encode()
        except UnicodeEncodeError as error:
            raise ValueError("expected text in UTF-8, got other bytes") from error
    return written


def optional_text(raw: object) -> str | None:
    """Read text or null."""
    return None if raw is None else text(raw)


def integer(raw: object) -> int:
    """Read a whole number of 64 bits; text may be decimal or carry one of the prefixes 0x, 0o and 0b.

    Raises:
        ValueError: It is none.
    """
    number: int | None = None
    if (isinstance(raw, float) and math.isfinite(raw)) or isinstance(raw, int):
        number = int(raw)
    elif raw is None or raw == "":
        number = 0
    elif isinstance(raw, str):
        try:
            number = int(raw, 10 if raw.lstrip("+-").isdecimal() else 0)
        except ValueError:
            number = None
    if number is None or not -_INT64 <= number < _INT64:
        raise ValueError(f"expected a whole number, got {_shown(raw)}")
    return number


def switch(raw: object) -> bool:
    """Read true or false.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(raw, int | float):
        return raw != 0
    read = _SWITCHES.get(raw or "") if isinstance(raw, str | None) else None
    if read is None:
        raise ValueError(f"expected true or false, got {_shown(raw)}")
    return read


def port(raw: object) -> int:
    """Read a TCP port.

    Raises:
        ValueError: It is none.
    """
    try:
        number = integer(raw) if raw != "" else -1
    except ValueError:
        number = -1
    if not 0 <= number <= _MAX_PORT:
        raise ValueError(f"expected a port between 0 and {_MAX_PORT}, got {_shown(raw)}")
    return number


def moment(raw: object) -> str:
    """Read an RFC 3339 time or nothing; the text is kept as it is, because events repeat it as it is.

    Raises:
        ValueError: It is no such time.
    """
    written = text(raw)
    if written:
        try:
            epoch_seconds(written)
        except ValueError as error:
            raise ValueError(f"expected an RFC 3339 time like 2026-01-31T12:00:00Z, got {_shown(raw)}") from error
    return written


def choice(*choices: str) -> Reader:
    """Make the reader of one word out of several."""

    def read(raw: object) -> str:
        if raw not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {_shown(raw)}")
        return text(raw)

    return read


def base64_text(raw: object) -> str:
    """Read base64 (with or without line ends); it is kept encoded.

    Raises:
        ValueError: It is no base64.
    """
    encoded = text(raw)
    try:
        decode_base64(encoded)
    except binascii.Error as error:
        raise ValueError(f"expected base64, got {_shown(raw)}") from error
    return encoded


def decode_base64(encoded: str) -> bytes:
    """Decode standard base64.

    Raises:
        binascii.Error: It is no base64.
    """
    try:
        return base64.b64decode("".join(encoded.splitlines()), validate=True)
    except ValueError as error:  # characters outside ASCII
        raise binascii.Error(str(error)) from error


def epoch_seconds(rfc3339: str) -> float:
    """Convert an RFC 3339 time to seconds since the epoch.

    Raises:
        ValueError: It is no such time.
    """
    if not _RFC3339.fullmatch(rfc3339):
        raise ValueError(f"{rfc3339!r} is no RFC 3339 time")
    return datetime.fromisoformat(rfc3339).timestamp()


def _kind(raw: object) -> str:
    return "an object" if isinstance(raw, dict) else "a list" if isinstance(raw, list) else _shown(raw)


def _shown(raw: object) -> str:
    if isinstance(raw, dict | list):
        return _kind(raw)
    shown = repr(raw) if isinstance(raw, str) else text(raw)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."  # noqa: PLR2004 - one line stays one line
