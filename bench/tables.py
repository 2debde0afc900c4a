"""The rows as lines in a terminal, and as tables on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outcomes import MISSED, NEWER, NOT_MEASURED, figure_text, limit_text, value_text, verdict
from rows import GROUPS, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outcomes import Figures, Outcome
    from results import Results
    from rows import Row

BEGIN: Final = "<!-- written by bench/run.py -->\n"
END: Final = "<!-- end of written part -->"
_COLUMNS: Final = ("what", "figure", "its value", "reference", "its value", "rounds", "result", "limit", "verdict")
_NAMED: Final = ("Python", "nginx")
"""Values of the machine that are shown with their name."""
LEAST_BUSY: Final = 0.9
_WIDTHS: Final = (55, 37, 9, 29, 9, 6, 21, 14)


def cells(row: Row, outcome: Outcome, tolerance: float = 1.0) -> Sequence[str]:
    """The cells of a row: name, figure and its value, reference and its value, rounds, result, limit, verdict."""
    if isinstance(outcome, str):
        return row.name, row.measured, "", row.reference, "", "", "", limit_text(row), f"{NOT_MEASURED}: {outcome}"
    return (
        row.name,
        row.measured,
        figure_text(outcome.measured) if row.reference else "",
        row.reference,
        figure_text(outcome.reference),
        str(len(outcome.values)),
        value_text(outcome),
        limit_text(row),
        _judged(row, outcome, tolerance),
    )


def _judged(row: Row, outcome: Figures, tolerance: float) -> str:
    """The verdict, and whether it can be trusted: a server that is kept waiting is not measured at its limit."""
    waited = outcome.busy is not None and outcome.busy < LEAST_BUSY
    parts = (verdict(row, outcome, tolerance), f"a server used {outcome.busy:.0%} of its processor" if waited else "")
    return "; ".join(filter(None, parts))


def line(words: Sequence[str] = _COLUMNS) -> str:
    """The cells as a line in a terminal."""
    *fixed, last = words
    padded = (f"{word:<{width}}" for word, width in zip(fixed, _WIDTHS, strict=True))
    return f"{' '.join(padded)} {last.replace(MISSED, MISSED.upper())}".rstrip()


def page(text: str, results: Results) -> str:
    """A page with its written part replaced.

    Raises:
        ValueError: The page has no marks around that part.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no marks around its written part")
    return before + begin + "\n".join(_part(results)) + end + after


def _part(results: Results) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" if name in _NAMED else value for name, value in results.machine.items()) + "."
    for group, heading in GROUPS.items():
        yield from ("", f"### {heading}", "")
        yield f"| {' | '.join(_COLUMNS)} |"
        yield f"|{'---|' * len(_COLUMNS)}"
        for row in ROWS:
            if row.group == group:
                yield f"| {' | '.join(cells(row, results.outcomes.get(row.key, NEWER)))} |"
    yield ""
