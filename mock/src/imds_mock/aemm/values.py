"""Readers of values, with the type conversions of AEMM's libraries (viper 1.20 with mapstructure 2.2).

* Text accepts numbers and booleans: 42 becomes `42`, 1.50 becomes `1.5`, true becomes `1`, false becomes `0`.
* A list of text accepts a single value; text is split at commas.
* Whole numbers and switches accept text. Empty text is 0 or off.
* A time is text in RFC 3339; empty text means no time.
* Null in a file leaves the key unset, so readers never receive it.

All readers raise a ValueError that names the expected type and the value.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

from imds_mock.config.plain_documents import WrittenNumber

Value = str | int | bool | tuple[str, ...] | Mapping[str, str] | None
Reader = Callable[[object], Value]

_SWITCHES: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("", "0", "f", "F", "false", "FALSE", "False"), False),
}
_RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
_MAX_PORT: Final = 65535
_INT64: Final = 1 << 63
_MAX_CHARACTERS: Final = 60


def text(raw: object) -> str:
    """Read text; numbers, booleans and dates are converted."""
    return _text(raw, "text")


def optional_text(raw: object) -> str | None:
    """Read text that may be null."""
    return None if raw is None else _text(raw, "text or null")


def text_list(raw: object) -> tuple[str, ...]:
    """Read a list of text."""
    if isinstance(raw, str):
        return tuple(raw.split(",")) if raw else ()
    if isinstance(raw, list | tuple):
        return tuple(_text(item, "a list of text", within="a list") for item in raw)
    return () if raw == {} else (_text(raw, "a list of text"),)


def text_by_name(raw: object) -> Mapping[str, str]:
    """Read an object whose members are text."""
    expected = "an object of names and text"
    if not isinstance(raw, Mapping):
        raise ValueError(f"expected {expected}, got {describe(raw)}")  # noqa: TRY004 - user input
    return {str(name): _text(value, expected, within="an object") for name, value in raw.items()}


def _text(raw: object, expected: str, within: str = "") -> str:
    if isinstance(raw, dict | list | tuple | set):
        holder = f" in {within}" if within else ""
        raise ValueError(f"expected {expected}, got {describe(raw)}{holder}")  # noqa: TRY004 - user input
    try:
        written = _written(raw)
        written.encode()
    except UnicodeError as error:
        raise ValueError(f"expected {expected} in UTF-8, got other bytes") from error
    return written


def _written(raw: object) -> str:
    """A value in the notation of AEMM's libraries."""
    if raw is None:
        return ""
    if isinstance(raw, bool):
        return "1" if raw else "0"
    if isinstance(raw, float):
        return _decimal(raw) if math.isfinite(raw) else {math.inf: "+Inf", -math.inf: "-Inf"}.get(raw, "NaN")
    if isinstance(raw, datetime):
        return raw.isoformat().replace("+00:00", "Z")
    return raw.decode() if isinstance(raw, bytes) else str(raw)


def _decimal(number: float) -> str:
    """The shortest exact decimal, without an exponent."""
    digits = format(Decimal(repr(number)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def integer(raw: object) -> int:
    """Read a whole number of 64 bits; text may be decimal or have a prefix 0x, 0o or 0b."""
    number: int | None = None
    if isinstance(raw, WrittenNumber) and not raw.lstrip("+-").isdecimal():
        raw = float(raw)
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
        raise ValueError(f"expected a whole number, got {describe(raw)}")
    return number


def switch(raw: object) -> bool:
    """Read true or false."""
    if isinstance(raw, int | float | WrittenNumber):
        return float(raw) != 0
    read = _SWITCHES.get(raw or "") if isinstance(raw, str | None) else None
    if read is None:
        raise ValueError(f"expected true or false, got {describe(raw)}")
    return read


def port(raw: object) -> int:
    """Read a TCP port."""
    try:
        number = integer(raw) if raw != "" else -1
    except ValueError:
        number = -1
    if not 0 <= number <= _MAX_PORT:
        raise ValueError(f"expected a port between 0 and {_MAX_PORT}, got {describe(raw)}")
    return number


def rfc3339_time(raw: object) -> str:
    """Read an RFC 3339 time or empty text; events contain the text unchanged."""
    written = text(raw)
    if written:
        try:
            epoch_seconds(written)
        except ValueError as error:
            raise ValueError(f"expected an RFC 3339 time like 2026-01-31T12:00:00Z, got {describe(raw)}") from error
    return written


def choice(*choices: str) -> Reader:
    """A reader of one of several words."""

    def read(raw: object) -> str:
        if raw not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {describe(raw)}")
        return text(raw)

    return read


def base64_text(raw: object) -> str:
    """Read base64, with or without line ends; returns it encoded."""
    encoded = text(raw)
    try:
        decode_base64(encoded)
    except binascii.Error as error:
        raise ValueError(f"expected base64, got {describe(raw)}; encode the text") from error
    return encoded


def decode_base64(encoded: str) -> bytes:
    """Decode standard base64.

    Raises:
        binascii.Error: The text is not base64.
    """
    try:
        return base64.b64decode("".join(encoded.splitlines()), validate=True)
    except ValueError as error:  # characters outside ASCII
        raise binascii.Error(str(error)) from error


def epoch_seconds(rfc3339: str) -> float:
    """Convert an RFC 3339 time to seconds since the epoch.

    Raises:
        ValueError: The text is not such a time.
    """
    if not _RFC3339.fullmatch(rfc3339):
        raise ValueError(f"{rfc3339!r} is not an RFC 3339 time")
    return datetime.fromisoformat(rfc3339).timestamp()


def describe(raw: object) -> str:
    """A value for a message: one line of at most 60 characters; lists, objects and several lines only by type."""
    if isinstance(raw, dict):
        return "an object"
    if isinstance(raw, list | tuple | set):
        return "a list"
    if raw is None or isinstance(raw, bool):
        return {None: "null", True: "true", False: "false"}[raw]
    if isinstance(raw, str) and len(raw.splitlines()) > 1:
        return "several lines of text (not shown, they may hold a secret)"
    written = str(raw) if isinstance(raw, int | float | date | time) else repr(raw)
    return written if len(written) <= _MAX_CHARACTERS else f"{written[: _MAX_CHARACTERS - 3]}..."
