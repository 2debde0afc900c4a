"""What `ctl` prints apart from tables: JSON, single lines and warnings, with control characters escaped."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse

# Control characters of both sets, the marks that reorder text, line separators, and halves of surrogate pairs.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_UNPRINTABLE_IN_LINES: Final = re.compile(_UNPRINTABLE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    sys.stdout.write(f"{json_text(value, indent=2)}\n")


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON without a character that changes the terminal; json itself escapes only those below U+0020."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNPRINTABLE_IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_done(arguments: argparse.Namespace, response: Any = None) -> None:
    """Print the response of a change: with `--json` only."""
    if arguments.json:
        print_json(response)


def print_line(text: str) -> None:
    """Print a line, with control characters escaped."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def print_warning(sentence: str | None, command: str = "imds-mock ctl") -> None:
    """Print a sentence on standard error, with control characters escaped; None prints nothing."""
    if sentence is not None:
        sys.stderr.write(f"{command}: {printable(sentence)}\n")


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(cell, value))
    if isinstance(value, dict):
        return " ".join(f"{printable(name)}={cell(held)}" for name, held in value.items())
    return printable(str(value))


def printable(text: str) -> str:
    """Text with control characters escaped, so that it cannot change the terminal."""
    return _UNPRINTABLE.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """Text of several lines with all control characters but line feeds and tabs escaped."""
    return _UNPRINTABLE_IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two digits or four
