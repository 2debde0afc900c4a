"""Readers of single values. They convert between types as AEMM's libraries do (viper 1.20 with mapstructure 2.2).

* Text takes numbers and booleans: 42 is `42`, 1.50 is `1.5`, true is `1`, false is `0`.
* A list of text takes a single value as well; text is split at commas.
* A whole number and a switch take text. Empty text is 0, or off.
* A time is text in RFC 3339; empty text means that no time is set.
* Null never gets here: in a file it means that the key is not set.
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
_SHOWN_CHARACTERS: Final = 60


def text(raw: object) -> str:
    """Read text; numbers, booleans and dates become text.

    Raises:
        ValueError: It is an object or a list. The message names the expected type, as those of all readers do.
    """
    return _text(raw, "text")


def optional_text(raw: object) -> str | None:
    """Read text that may be null."""
    return None if raw is None else _text(raw, "text or null")


def text_list(raw: object) -> tuple[str, ...]:
    """Read a list of text.

    Raises:
        ValueError: It is an object, or a list that holds lists or objects.
    """
    if isinstance(raw, str):
        return tuple(raw.split(",")) if raw else ()
    if isinstance(raw, list | tuple):
        return tuple(_text(item, "a list of text", within="a list") for item in raw)
    return () if raw == {} else (_text(raw, "a list of text"),)


def text_by_name(raw: object) -> Mapping[str, str]:
    """Read an object whose members are text.

    Raises:
        ValueError: It is no object, or a member is a list or an object.
    """
    expected = "an object of names and text"
    if not isinstance(raw, Mapping):
        raise ValueError(f"expected {expected}, got {shown(raw)}")  # noqa: TRY004 - the value is wrong, not the program
    return {str(name): _text(value, expected, within="an object") for name, value in raw.items()}


def _text(raw: object, expected: str, within: str = "") -> str:
    if isinstance(raw, dict | list | tuple | set):
        holder = f" in {within}" if within else ""
        raise ValueError(f"expected {expected}, got {shown(raw)}{holder}")  # noqa: TRY004 - see above
    try:
        written = _written(raw)
        written.encode()
    except UnicodeError as error:
        raise ValueError(f"expected {expected} in UTF-8, got other bytes") from error
    return written


def _written(raw: object) -> str:
    """A single value as AEMM's libraries write it."""
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
    """All digits that tell the number from its neighbours, never an exponent."""
    digits = format(Decimal(repr(number)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def integer(raw: object) -> int:
    """Read a whole number of 64 bits; text may be decimal or carry one of the prefixes 0x, 0o and 0b.

    Raises:
        ValueError: It is none.
    """
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
        raise ValueError(f"expected a whole number, got {shown(raw)}")
    return number


def switch(raw: object) -> bool:
    """Read true or false.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(raw, int | float | WrittenNumber):
        return float(raw) != 0
    read = _SWITCHES.get(raw or "") if isinstance(raw, str | None) else None
    if read is None:
        raise ValueError(f"expected true or false, got {shown(raw)}")
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
        raise ValueError(f"expected a port between 0 and {_MAX_PORT}, got {shown(raw)}")
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
            raise ValueError(f"expected an RFC 3339 time like 2026-01-31T12:00:00Z, got {shown(raw)}") from error
    return written


def choice(*choices: str) -> Reader:
    """Make the reader of one word out of several."""

    def read(raw: object) -> str:
        if raw not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {shown(raw)}")
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
        raise ValueError(f"expected base64, got {shown(raw)}; encode the text") from error
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


def shown(raw: object) -> str:
    """A value as messages show it: one line, at most 60 characters; a list or an object only by its kind."""
    if isinstance(raw, dict):
        return "an object"
    if isinstance(raw, list | tuple | set):
        return "a list"
    if raw is None or isinstance(raw, bool):
        return {None: "null", True: "true", False: "false"}[raw]
    written = str(raw) if isinstance(raw, int | float | date | time) else repr(raw)
    return written if len(written) <= _SHOWN_CHARACTERS else f"{written[: _SHOWN_CHARACTERS - 3]}..."
