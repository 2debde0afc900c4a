"""The screen of `ctl top`: as many callers, events and requests as the terminal has lines for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.text import Text

from imds_mock.ctl.columns import Column, brief_caller, state_style
from imds_mock.ctl.fitting import fit
from imds_mock.ctl.output import printable
from imds_mock.ctl.request_columns import COLUMNS, named
from imds_mock.ctl.schedule import when_of
from imds_mock.ctl.tables import rich_table
from imds_mock.ctl.times import ago

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from imds_mock.ctl.watching import State

_CALLERS: Final = (
    Column("caller", minimum=20, brief=brief_caller),
    Column("rate", "REQ/S"),
    Column("requests", rank=1),
    Column("imdsv1", style=lambda times: "bold magenta" if times else ""),
    Column("last", rank=2),
    Column("role", minimum=8, rank=3, is_optional=True),
)
_ARMED: Final = (
    Column("id"),
    Column("state", style=state_style),
    Column("when"),
    Column("path", minimum=12, is_optional=True),
    Column("target", minimum=10, is_optional=True),
)
_FIXED_LINES: Final = 3  # the head, a blank line and the foot
_SECTION_LINES: Final = 2  # the heading and a blank line
_MOST_ARMED: Final = 6
_FACT_GAP: Final = "   "
_MIB: Final = 1024 * 1024


def view(state: State, problem: str | None, width: int, height: int) -> RenderableType:
    """The screen.

    Args:
        state: The latest state of the mock.
        problem: Why there is no later state; None if there is one.
        width: Columns of the terminal.
        height: Lines of the terminal.
    """
    room = max(height - _FIXED_LINES, 0)
    armed = _armed_rows(state)
    callers = [
        {**each, "rate": f"{each['rate']:.1f}", "last": ago(each["last"], state.now.mock)} for each in state.callers
    ]
    requests = [{**named(each), "time": ago(each["real_time"], state.now.real)} for each in state.requests[:height]]
    parts: list[RenderableType] = [_head(state, width), Text("")]
    lines = min(len(armed), _MOST_ARMED, max(room // 3 - _SECTION_LINES, 1))
    used = _add(parts, _ARMED, armed, lines, width)
    lines = min(len(callers), max((room - used) // 2 - _SECTION_LINES, 1))
    used += _add(parts, _CALLERS, callers, lines, width)
    used += _add(parts, COLUMNS, requests, max(room - used - _SECTION_LINES + 1, 1), width)
    parts += [Text("")] * (room - used)
    foot = Text(
        f"q quit   waiting for the mock: {printable(problem)}" if problem else "q quit",
        style="bold red" if problem else "dim",
    )
    return Group(*parts, _one_line(foot))


def _head(state: State, width: int) -> Text:
    statistics = state.statistics
    share = statistics["imdsv1_share"]
    facts = [
        f"{statistics['requests_per_second']:.1f} requests/s",
        "" if statistics["p99_microseconds"] is None else f"p99 {statistics['p99_microseconds'] / 1000:.1f} ms",
        "" if share is None else f"IMDSv1 {share:.0%}",
        "endpoint off" if state.status["http_endpoint"] == "disabled" else "",
        "tokens required" if state.status["http_tokens"] == "required" else "",
        "" if statistics["memory_bytes"] is None else f"{statistics['memory_bytes'] / _MIB:.0f} MiB",
    ]
    text = Text(f"imds-mock {printable(state.status['instance_id'])}", style="bold")
    for fact in filter(None, facts):
        if text.cell_len + len(fact) + len(_FACT_GAP) <= width:
            text.append(f"{_FACT_GAP}{fact}", style="not bold")
    return _one_line(text)


def _armed_rows(state: State) -> list[dict[str, Any]]:
    return [{**each[each["what"]], **each, "when": when_of(each, each["what"], state.now.mock)} for each in state.armed]


def _add(
    parts: list[RenderableType], columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], lines: int, width: int
) -> int:
    """Add a table and a blank line; how many lines they take."""
    if not rows:
        return 0
    shown = rows[:lines]
    if len(rows) > lines > 1 and columns is not COLUMNS:
        shown = rows[: lines - 1]
    parts.append(rich_table(fit(columns, shown, width), shown))
    left = 0
    if len(shown) < len(rows) and columns is not COLUMNS:
        parts.append(Text(f"and {len(rows) - len(shown)} more", style="dim"))
        left = 1
    if columns is not COLUMNS:
        parts.append(Text(""))
        left += 1
    return 1 + len(shown) + left


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
