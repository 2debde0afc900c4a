"""Fits the columns of a table to a width: short forms, hidden columns, texts shortened in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.cells import cell_len, set_cell_size

from imds_mock.ctl.output import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imds_mock.ctl.columns import Column

GAP: Final = 2
"""Spaces between two columns."""

ELLIPSIS: Final = "…"

_FLOOR: Final = 8


class Fitted(NamedTuple):
    """The columns of a table that fit.

    Attributes:
        columns: The visible columns.
        widths: The width of each, in cells of the terminal.
        hidden: The headings of the columns that are hidden for lack of width.
        is_brief: Whether values are in their short form.
    """

    columns: list[Column]
    widths: list[int]
    hidden: list[str]
    is_brief: bool

    @property
    def width(self) -> int:
        """The width of the table."""
        return _total(self.widths)

    def text(self, place: int, value: Any) -> str:
        """The text of a value in a column, shortened to its width."""
        column = self.columns[place]
        text = text_of(column, value, is_brief=self.is_brief)
        return text if column.wraps else shortened(text, self.widths[place])


def text_of(column: Column, value: Any, *, is_brief: bool) -> str:
    """The whole text of a value."""
    text = cell(value)
    return column.brief(text) if is_brief and column.brief is not None else text


def fit(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], width: int | None) -> Fitted:
    """Fit columns to a width.

    Args:
        columns: All columns.
        rows: The values of each row by column name.
        width: Width of the terminal; None shows all columns in full.
    """
    if width is None:
        return Fitted(list(columns), _natural(columns, rows, is_brief=False), [], is_brief=False)
    shown = [each for each in columns if not each.is_optional or any(_has_value(row, each) for row in rows)]
    widths = _natural(shown, rows, is_brief=False)
    is_brief = _total(widths) > width and any(each.brief for each in shown)
    if is_brief:
        widths = _natural(shown, rows, is_brief=True)
    hidden = []
    while _total(map(_narrowest, shown, widths)) > width:
        last = max(shown, key=lambda each: each.rank)
        if last.rank == 0:
            break
        hidden.append(last)
        del widths[shown.index(last)]
        shown.remove(last)
    _shrink(widths, [_narrowest(column, size) for column, size in zip(shown, widths, strict=True)], width)
    _shrink(
        widths,
        [min(size, _FLOOR) if column.minimum else size for column, size in zip(shown, widths, strict=True)],
        width,
    )
    return Fitted(shown, widths, [each.title for each in columns if each in hidden], is_brief)


def shortened(text: str, width: int) -> str:
    """Text shortened in the middle to a number of cells, at a slash if one is near."""
    if cell_len(text) <= width:
        return text
    room = max(width - 1, 0)
    tail = _last(text, room * 2 // 3)
    slash = tail.find("/")
    if 0 <= slash <= len(tail) // 2:
        tail = tail[slash:]
    head = set_cell_size(text, room - cell_len(tail)).rstrip()
    return f"{head}{ELLIPSIS}{tail}" if width > 0 else ""


def _last(text: str, width: int) -> str:
    start = len(text)
    while start > 0 and cell_len(text[start - 1 :]) <= width:
        start -= 1
    return text[start:]


def _natural(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], *, is_brief: bool) -> list[int]:
    texts = (
        [column.title, *(text_of(column, row.get(column.name), is_brief=is_brief) for row in rows)]
        for column in columns
    )
    return [max(map(cell_len, each)) for each in texts]


def _has_value(row: Mapping[str, Any], column: Column) -> bool:
    return row.get(column.name) not in (None, [], "-")


def _narrowest(column: Column, natural: int) -> int:
    return min(natural, column.minimum) if column.minimum else natural


def _total(widths: Iterable[int]) -> int:
    listed = list(widths)
    return sum(listed) + GAP * max(len(listed) - 1, 0)


def _shrink(widths: list[int], floors: Sequence[int], width: int) -> None:
    """Take the excess from the widest columns, each down to its floor."""
    for _cell in range(max(_total(widths) - width, 0)):
        free = [place for place, size in enumerate(widths) if size > floors[place]]
        if not free:
            return
        widths[max(free, key=widths.__getitem__)] -= 1
