"""Plain values read as structures, with every invalid field reported."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from imds_mock.scheduling.fields import FieldError, WrongField
from imds_mock.violations.finding import Reading, dotted, find

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
    try:
        converted = msgspec.convert(value, kind, strict=is_strict)
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        # JSON Schema counts 5.0 as a whole number.
        whole = _with_whole_numbers(value)
        with contextlib.suppress(msgspec.ValidationError, RecursionError, ValueError):
            return _checked(msgspec.convert(whole, kind, strict=is_strict), kind, whole, is_strict=is_strict)
        wrong = _wrong(kind, value, is_strict=is_strict) or [_UNREADABLE]
        raise FieldError(*wrong[0], wrong[1:]) from error
    return _checked(converted, kind, value, is_strict=is_strict)


def _checked(converted: Any, kind: Any, value: Any, *, is_strict: bool) -> Any:
    """The value after the checks that msgspec does not make, such as whether text is a duration."""
    if wrong := _wrong(kind, value, is_strict=is_strict):
        raise FieldError(*wrong[0], wrong[1:])
    return converted


def _with_whole_numbers(value: Any) -> Any:
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
    wrong = _wrong(kind, value, is_strict=is_strict)
    known = {each.field for each in wrong}
    both = [*wrong, *(each for each in error.problems if each.field not in known)]
    return FieldError(*both[0], both[1:])


def _wrong(kind: Any, value: Any, *, is_strict: bool) -> list[WrongField]:
    found = find(kind, value, Reading(is_strict=is_strict))
    return [WrongField(dotted(each.path), each.sentence) for each in found]
