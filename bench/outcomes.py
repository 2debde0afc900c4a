"""The outcomes of rows: figures or the reason why there are none, and the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Generator
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rows import Row

MET: Final = "met"
MISSED: Final = "missed"
NOT_MEASURED: Final = "not measured"

NEWER: Final = "the row is newer than the results"

_RATIO_DIGITS: Final = 2
_SIZE_DIGITS: Final = 1


class NotMeasuredError(Exception):
    """A row or a group cannot be measured here; the text gives the reason in one clause."""


class Figures(NamedTuple):
    """What was measured.

    Attributes:
        values: The ratio of each round, or the size.
        measured: Median of the figure.
        reference: Median of the reference's figure; None for a size.
        busy: Share of its processor that the less busy server used, in the median; None if it does not matter.
    """

    values: tuple[float, ...]
    measured: float
    reference: float | None = None
    busy: float | None = None

    @property
    def digits(self) -> int:
        """Number of decimal places that are printed."""
        return _SIZE_DIGITS if self.reference is None else _RATIO_DIGITS

    @property
    def median(self) -> float:
        """The value that the limit applies to, rounded as it is printed, so that the verdict agrees with the print."""
        return round(statistics.median(self.values), self.digits)


Outcome: TypeAlias = Figures | str
"""Figures, or the reason why there are none."""

Outcomes: TypeAlias = Generator[tuple[str, Outcome], None, None]
"""The outcomes of a measurement as they come, each with the key of its row."""


def ratios(measured: Iterable[float], reference: Iterable[float]) -> Figures:
    """The figures of a row with a reference, from the two figures of each round."""
    rounds = list(zip(measured, reference, strict=True))
    values = tuple(mine / other for mine, other in rounds)
    return Figures(values, *(statistics.median(side) for side in zip(*rounds, strict=True)))


def sizes(values: Iterable[float]) -> Figures:
    """The figures of a row without a reference."""
    every = tuple(values)
    return Figures(every, statistics.median(every))


def verdict(row: Row, outcome: Outcome, tolerance: float = 1.0) -> str:
    """`MET`, `MISSED` or `NOT_MEASURED`; empty if the row has no limit.

    Args:
        row: The row.
        outcome: Its outcome.
        tolerance: Factor by which limits are loosened.
    """
    if isinstance(outcome, str):
        return NOT_MEASURED
    if row.limit is None:
        return ""
    return MET if row.limit.is_met(outcome.median, tolerance) else MISSED


def median_text(outcome: Figures) -> str:
    """The median."""
    return f"{outcome.median:.{outcome.digits}f}"


def value_text(outcome: Figures) -> str:
    """The median, with the lowest and highest value if there are several."""
    if len(outcome.values) == 1:
        return median_text(outcome)
    low, high = (f"{value:.{outcome.digits}f}" for value in (min(outcome.values), max(outcome.values)))
    return f"{median_text(outcome)} ({low} to {high})"


def limit_text(row: Row) -> str:
    """The limit, such as `at least 0.8`; empty if there is none."""
    return "" if row.limit is None else f"{'at least' if row.limit.is_least else 'at most'} {row.limit.value:g}"


def figure_text(figure: float | None) -> str:
    """An absolute figure with three significant digits, and thousands separated."""
    if figure is None:
        return ""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"  # noqa: PLR2004 - three digits
