"""The output of `ctl`: tables, or JSON with `--json`."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_GAP: Final = "  "


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    sys.stdout.write(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n")


def print_done(arguments: argparse.Namespace, response: Any = None) -> None:
    """Print the response of a change: with `--json` only."""
    if arguments.json:
        print_json(response)


def print_values(arguments: argparse.Namespace, values: Mapping[str, Any]) -> None:
    """Print named values: as JSON with `--json`, otherwise as a table."""
    if arguments.json:
        print_json(values)
    else:
        print_table(("name", "value"), [{"name": name, "value": value} for name, value in values.items()], "")


def print_line(text: str) -> None:
    """Print a line, with control characters escaped."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def print_warning(sentence: str | None, command: str = "imds-mock ctl") -> None:
    """Print a sentence on standard error, with control characters escaped; None prints nothing."""
    if sentence is not None:
        sys.stderr.write(f"{command}: {printable(sentence)}\n")


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print a table.

    Args:
        columns: The keys to show; the heading has them in capitals.
        rows: The rows.
        empty: Printed if there are no rows.
    """
    if not rows:
        print_line(empty)
        return
    cells = [[column.upper().replace("_", " ") for column in columns]]
    cells += [[cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    for line in cells:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        sys.stdout.write(f"{_GAP.join(padded).rstrip()}\n")


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(cell, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={cell(held)}" for name, held in value.items())
    return printable(str(value))


def printable(text: str) -> str:
    """Text with control characters escaped, so that it cannot change the terminal."""
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
