"""Errors that name an invalid field."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from imds_mock.violations.words import listed, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class WrongField(NamedTuple):
    """One invalid field.

    Attributes:
        field: Path of the field, such as `steps[0].event`.
        sentence: What is wrong and how to write the value.
    """

    field: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}" if self.field else self.sentence


class FieldError(ValueError):
    """One or more fields are invalid.

    Args:
        field: Path of the field, such as `steps[0].event`.
        sentence: What is wrong and how to write the value.
        others: Further invalid fields.
    """

    def __init__(self, field: str, sentence: str, others: Sequence[WrongField] = ()) -> None:
        problems = (WrongField(field, sentence), *others)
        self.problems = tuple(WrongField(*map(printable, problem)) for problem in problems)
        super().__init__(listed([str(problem) for problem in self.problems]))
        self.field = field
        self.sentence = sentence


@contextlib.contextmanager
def collecting(problems: list[WrongField], parent: str = "") -> Iterator[None]:
    """Collect the invalid fields of a `FieldError` in the block instead of raising it.

    Args:
        problems: Receives them.
        parent: Path that the names of the fields are relative to.
    """
    try:
        yield
    except FieldError as error:
        problems += [WrongField(".".join(filter(None, (parent, each.field))), each.sentence) for each in error.problems]


def raise_if_any(problems: Sequence[WrongField]) -> None:
    """Raise the collected problems, if any.

    Raises:
        FieldError: `problems` is not empty.
    """
    if problems:
        raise FieldError(*problems[0], problems[1:])
