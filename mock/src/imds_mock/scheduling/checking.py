"""Plain values read as structures, with every invalid field reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.scheduling.fields import FieldError, WrongField
from imds_mock.violations.finding import Reading, ViolationsError, convert, find
from imds_mock.violations.keys import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.violations.keys import Violation

_UNREADABLE: Final = WrongField("", "cannot read this document; see /openapi.json for its form")


def read(kind: Any, value: Any, *, is_strict: bool = True) -> Any:
    """Read plain values as a type.

    Args:
        kind: The type.
        value: Mappings, lists, text, numbers, booleans and None.
        is_strict: Reject text where a number is expected.

    Raises:
        FieldError: One or more fields are invalid.
    """
    reading = Reading(is_strict)
    try:
        converted = convert(kind, value, reading)
    except ViolationsError:
        value = _with_whole_numbers(value)
        try:
            converted = convert(kind, value, reading)
        except ViolationsError as error:
            wrong = _fields(error.violations) or [_UNREADABLE]
            raise FieldError(*wrong[0], wrong[1:]) from error
    # Checks beyond the type, such as of a duration that is used only later.
    if wrong := _fields(find(kind, value, reading)):
        raise FieldError(*wrong[0], wrong[1:])
    return converted


def _with_whole_numbers(value: Any) -> Any:
    """The values with 5.0 as 5: in JSON Schema, both are whole numbers."""
    if isinstance(value, dict):
        return {name: _with_whole_numbers(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(held) for held in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def completed(error: FieldError, kind: Any, value: Any, *, is_strict: bool = True) -> FieldError:
    """An error with every other invalid field added.

    Args:
        error: The error found so far.
        kind: The type.
        value: The plain values.
        is_strict: As for `read`.
    """
    wrong = _fields(find(kind, _with_whole_numbers(value), Reading(is_strict)))
    known = {each.field for each in wrong}
    both = [*wrong, *(each for each in error.problems if each.field not in known)]
    return FieldError(*both[0], both[1:])


def _fields(violations: Iterable[Violation]) -> list[WrongField]:
    return [WrongField(dotted(each.path), each.sentence) for each in violations]
