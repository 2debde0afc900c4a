"""The columns of tables on a terminal, and the styles of their values; only values that stand out have a color."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Column(NamedTuple):
    """One column of a table on a terminal.

    Attributes:
        name: The key of its values.
        heading: Its heading; the name in capitals if it is empty.
        minimum: The width that its values are shortened to before another column is hidden; if hiding is not enough,
            they are shortened further. 0: its values are never shortened.
        rank: The column with the highest rank is hidden first if the table is too wide; 0: never.
        is_optional: Hide the column if no row has a value in it.
        brief: The short form of a value, used in the whole column if the table is too wide.
        style: The style of a value, such as `bold red`.
        wraps: Show long values on several lines instead of shortening them.
    """

    name: str
    heading: str = ""
    minimum: int = 0
    rank: int = 0
    is_optional: bool = False
    brief: Callable[[str], str] | None = None
    style: Callable[[Any], str] | None = None
    wraps: bool = False

    @property
    def title(self) -> str:
        """The heading."""
        return self.heading or self.name.upper().replace("_", " ")


def status_style(status: Any) -> str:
    """The style of a status code: 4xx, 5xx and no response stand out."""
    if status == 0 or status >= 500:  # noqa: PLR2004 - the class of server errors
        return "bold red"
    return "red" if status >= 400 else ""  # noqa: PLR2004 - the class of client errors


def version_style(version: Any) -> str:
    """The style of a version: IMDSv1 stands out."""
    return "bold magenta" if version == "v1" else ""


def state_style(state: Any) -> str:
    """The style of the state of an event or fault."""
    return _STATES.get(state, "dim")


def fault_style(faults: Any) -> str:
    """The style of faults that changed a response."""
    return "yellow" if faults else ""


def brief_caller(text: str) -> str:
    """The name in `172.18.0.3 (shop-app-1)`, which distinguishes callers better than the address."""
    return text.partition(" (")[2].removesuffix(")") or text


def brief_time(text: str) -> str:
    """A time without its milliseconds."""
    return re.sub(r"\.\d+Z", "Z", text)


_STATES: Final = {"active": "green", "pending": "yellow"}
