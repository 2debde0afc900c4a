"""The tables of `ctl`: fitted to a terminal by rich, or plain and complete for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.columns import Column
from imds_mock.ctl.output import cell, print_json, print_line
from imds_mock.ctl.terminal import console_of, look_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.table import Table

    from imds_mock.ctl.fitting import Fitted
    from imds_mock.ctl.terminal import Look

    Row = Mapping[str, Any]

_GAP: Final = "  "
_VALUES: Final = (Column("name"), Column("value", minimum=20, wraps=True))


def add_table_options(parser: argparse.ArgumentParser, *, has_times: bool = True) -> None:
    """Declare the options of a command that prints a table."""
    import argparse  # noqa: PLC0415 - loaded already

    hidden = argparse.SUPPRESS
    parser.add_argument("--wide", action="store_true", default=hidden, help="print whole values, however wide")
    if has_times:
        parser.add_argument("--utc", action="store_true", default=hidden, help="print times in UTC instead of ages")


def print_values(arguments: argparse.Namespace, values: Row) -> None:
    """Print named values: as JSON with `--json`, otherwise as a table."""
    if arguments.json:
        print_json(values)
        return
    rows = [{"name": name, "value": value} for name, value in values.items()]
    print_table(arguments, ("name", "value"), rows, "", _VALUES)


def print_table(
    arguments: argparse.Namespace,
    names: Sequence[str],
    rows: Sequence[Row],
    empty: str,
    columns: Sequence[Column],
) -> None:
    """Print a table.

    Args:
        arguments: The parsed command line, with `color` and `wide`.
        names: The columns for programs: keys of the rows.
        rows: The rows.
        empty: Printed if there are no rows.
        columns: The columns for a terminal.
    """
    look = look_of(arguments)
    if not rows:
        print_line(empty)
    elif look.is_plain:
        _print_plain(names, rows)
    else:
        from imds_mock.ctl.fitting import fit  # noqa: PLC0415 - imports rich, which only a terminal needs

        listed = columns if look.is_terminal else _colored(names, columns)
        fitted = fit(listed, rows, look.width)
        print_fitted(look, fitted, rows)
        if fitted.hidden:
            console_of(look).print(f"hidden: {', '.join(fitted.hidden)}; --wide shows everything", style="dim")


def print_fitted(look: Look, fitted: Fitted, rows: Sequence[Row], *, has_heading: bool = True) -> None:
    """Print the rows of a fitted table on a terminal."""
    is_too_wide = look.width is not None and fitted.width > look.width
    if is_too_wide or any(column.wraps for column in fitted.columns):
        console_of(look).print(rich_table(fitted, rows, has_heading=has_heading), no_wrap=True, crop=True)
        return
    # Every cell has one line of known width, so rich only colors them: its table takes five times as long.
    from rich.cells import cell_len  # noqa: PLC0415 - as above
    from rich.color import ColorSystem  # noqa: PLC0415
    from rich.style import Style  # noqa: PLC0415

    def line(cells: Iterable[tuple[str, str]]) -> str:
        texts = [
            Style.parse(style).render(text, color_system=system) + " " * (width - cell_len(text))
            for (text, style), width in zip(cells, fitted.widths, strict=True)
        ]
        return f"{_GAP.join(texts).rstrip()}\n"

    system = ColorSystem.STANDARD if look.has_color else None
    if has_heading:
        sys.stdout.write(line((column.title, "bold") for column in fitted.columns))
    sys.stdout.writelines(line(_styled(fitted, row)) for row in rows)


def _styled(fitted: Fitted, row: Row) -> Iterator[tuple[str, str]]:
    """The text and the style of each cell of a row."""
    for place, column in enumerate(fitted.columns):
        value = row.get(column.name)
        yield fitted.text(place, value), column.style(value) if column.style is not None else ""


def rich_table(fitted: Fitted, rows: Sequence[Row], *, has_heading: bool = True) -> Table:
    """A fitted table as rich prints it."""
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), show_header=has_heading, header_style="bold")
    for column, width in zip(fitted.columns, fitted.widths, strict=True):
        overflow = "fold" if column.wraps else "crop"
        table.add_column(Text(column.title), width=width, no_wrap=not column.wraps, overflow=overflow)  # type: ignore[arg-type] # two of its four words
    for row in rows:
        table.add_row(*(Text(text, style=style) for text, style in _styled(fitted, row)))
    return table


def plain_line(texts: Sequence[str], widths: Sequence[int]) -> str:
    """A line of a plain table."""
    return _GAP.join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def plain_heading(names: Sequence[str]) -> list[str]:
    """The heading of a plain table."""
    return [name.upper().replace("_", " ") for name in names]


def _print_plain(names: Sequence[str], rows: Sequence[Row]) -> None:
    cells = [plain_heading(names), *([cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sys.stdout.writelines(f"{plain_line(line, widths)}\n" for line in cells)


def _colored(names: Sequence[str], columns: Sequence[Column]) -> list[Column]:
    """The columns for programs with the styles of those for a terminal."""
    styles = {column.name: column.style for column in columns}
    return [Column(name, style=styles.get(name)) for name in names]
