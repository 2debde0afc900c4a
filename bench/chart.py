"""The rows as a picture for light and dark pages: bars relative to nginx, and bars with their limits."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from diagrams import PALETTES, Palette
from outcomes import MISSED, Figures, limit_text, median_text, verdict
from rows import AEMM, GROUPS, PATHS, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from outcomes import Outcome
    from rows import Row

_FONTS: Final = "system-ui, -apple-system, Segoe UI, Liberation Sans, sans-serif"
_WIDTH: Final = 860
_MARGIN: Final = 16
_TRACK_LEFT: Final = 352
_TRACK_WIDTH: Final = 320
_TEXT_LEFT: Final = _TRACK_LEFT + _TRACK_WIDTH + 12
_HEADING: Final = 44
_ROW: Final = 22
_BAR: Final = 12
_RATIO_END: Final = 1.2
_SHARE_END: Final = 1.5

MISSED_COLORS: Final[Mapping[str, str]] = {"light": "#b3261e", "dark": "#ff8a80"}


class Bar(NamedTuple):
    """A bar.

    Attributes:
        label: Text on its left.
        note: Text on its right.
        value: Its length on the axis of its section.
        spread: Lowest and highest value.
        limit: Where the limit is; None if there is none.
        is_missed: Whether the value is beyond the limit.
        is_other: Whether it shows another mock.
    """

    label: str
    note: str
    value: float
    spread: tuple[float, float]
    limit: float | None = None
    is_missed: bool = False
    is_other: bool = False


class Section(NamedTuple):
    """Bars with the same axis.

    Attributes:
        title: The heading.
        explanation: What the axis means.
        end: Value at the right end of the axis; longer bars are cut.
        bars: From top to bottom.
    """

    title: str
    explanation: str
    end: float
    bars: Sequence[Bar]


def sections(outcomes: Mapping[str, Outcome]) -> Iterator[Section]:
    """The sections of the picture; rows without figures are left out."""
    if bars := list(_paths(outcomes)):
        yield Section("Requests per second of each path", f"nginx = 1; gray: {AEMM}", _RATIO_END, bars)
    for group, heading in GROUPS.items():
        limited = [row for row in ROWS if row.group == group and row.limit is not None and row.limit.is_least]
        if bars := list(_bars(limited, outcomes)):
            yield Section(heading, "reference = 1; longer is better", _RATIO_END, bars)
    limited = [row for row in ROWS if row.limit is not None and not row.limit.is_least]
    if bars := list(_bars(limited, outcomes)):
        yield Section("Latency, starts and sizes", "limit = 1; shorter is better", _SHARE_END, bars)


def _paths(outcomes: Mapping[str, Outcome]) -> Iterator[Bar]:
    for path in PATHS:
        for name in ("nginx", "aemm"):
            outcome = outcomes.get(f"path/{path.path}/{name}")
            if isinstance(outcome, Figures):
                is_other = name == "aemm"
                spread = min(outcome.values), max(outcome.values)
                label = "" if is_other else path.path
                yield Bar(label, median_text(outcome), outcome.median, spread, is_other=is_other)


def _bars(rows: Sequence[Row], outcomes: Mapping[str, Outcome]) -> Iterator[Bar]:
    for row in rows:
        outcome = outcomes.get(row.key)
        if isinstance(outcome, Figures) and row.limit is not None:
            unit = 1.0 if row.limit.is_least else row.limit.value
            is_missed = verdict(row, outcome) == MISSED
            note = f"{median_text(outcome)} ({limit_text(row)}{', missed' if is_missed else ''})"
            spread = min(outcome.values) / unit, max(outcome.values) / unit
            label = row.name if row.limit.is_least else f"{row.name}: {row.measured}"
            yield Bar(label, note, outcome.median / unit, spread, row.limit.value / unit, is_missed)


def picture(outcomes: Mapping[str, Outcome], scheme: str) -> str:
    """The picture as SVG, which refers to no other file.

    Args:
        outcomes: By key of the row.
        scheme: `light` or `dark`.
    """
    palette, top = PALETTES[scheme], 0
    parts: list[str] = []
    for section in sections(outcomes):
        parts += _section(section, top, palette, MISSED_COLORS[scheme])
        top += _HEADING + _ROW * len(section.bars)
    height = top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'font-family="{_FONTS}" font-size="12.5">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _section(section: Section, top: int, palette: Palette, missed: str) -> Iterator[str]:
    base = top + _HEADING - 16
    yield _text(_MARGIN, base, section.title, f'fill="{palette.text}" font-weight="600" font-size="14"')
    one = _TRACK_LEFT + _TRACK_WIDTH / section.end
    yield _text(one, base, section.explanation, f'fill="{palette.dim}" text-anchor="middle"')
    bottom = top + _HEADING + _ROW * len(section.bars)
    yield f'<path d="M{one:g} {base + 6}V{bottom}" stroke="{palette.line}" stroke-dasharray="3 3"/>'
    for number, bar in enumerate(section.bars):
        yield from _bar(bar, section.end, top + _HEADING + _ROW * number, palette, missed)


def _bar(bar: Bar, end: float, top: int, palette: Palette, missed: str) -> Iterator[str]:
    color = missed if bar.is_missed else palette.dim if bar.is_other else palette.accent
    middle = top + _ROW / 2
    yield _text(_MARGIN, middle + 4, bar.label, f'fill="{palette.text}"')
    start, up = _TRACK_LEFT, middle - _BAR / 2
    yield f'<rect x="{start}" y="{up:g}" width="{_TRACK_WIDTH}" height="{_BAR}" rx="3" fill="{palette.frame}"/>'
    yield f'<rect x="{start}" y="{up:g}" width="{_along(bar.value, end):g}" height="{_BAR}" rx="3" fill="{color}"/>'
    low, high = (start + _along(value, end) for value in bar.spread)
    if high > low:
        yield f'<path d="M{low:g} {middle:g}H{high:g}" stroke="{palette.text}"/>'
    if bar.limit is not None:
        at = start + _along(bar.limit, end)
        yield f'<path d="M{at:g} {up - 3:g}v{_BAR + 6}" stroke="{palette.text}" stroke-width="2"/>'
    yield _text(_TEXT_LEFT, middle + 4, bar.note, f'fill="{missed if bar.is_missed else palette.dim}"')


def _along(value: float, end: float) -> float:
    """Distance in pixels from the start of the axis."""
    return round(_TRACK_WIDTH * min(max(value, 0.0), end) / end, 1)


def _text(left: float, base: float, text: str, attributes: str) -> str:
    return f'<text x="{left:g}" y="{base:g}" {attributes}>{escape(text)}</text>'
