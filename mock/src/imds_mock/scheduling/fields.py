"""Values that were given under a name and cannot be accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imds_mock.violations.words import listed

if TYPE_CHECKING:
    from collections.abc import Sequence


class WrongField(NamedTuple):
    """One field that cannot be accepted.

    Attributes:
        field: Name of the field, as it is written on the wire; parts are separated by slashes.
        sentence: What is wrong and how to write it.
    """

    field: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}" if self.field else self.sentence


class FieldError(ValueError):
    """Names the field and says what it should look like.

    Args:
        field: Name of the field, as it is written on the wire.
        sentence: What is wrong and how to write it.
        others: Further fields that cannot be accepted.
    """

    def __init__(self, field: str, sentence: str, others: Sequence[WrongField] = ()) -> None:
        self.problems = (WrongField(field, sentence), *others)
        super().__init__(listed([str(problem) for problem in self.problems]))
        self.field = field
        self.sentence = sentence


def raise_if_any(problems: Sequence[WrongField]) -> None:
    """Raise what was collected.

    Raises:
        FieldError: There is a problem.
    """
    if problems:
        raise FieldError(*problems[0], problems[1:])
