"""Plain values as events, faults and scenarios, or every field that keeps them from being one."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from imds_mock.scheduling.fields import FieldError, WrongField
from imds_mock.violations.finding import Reading, find

_UNREADABLE: Final = WrongField("", "this document cannot be read; see the description of the API for its form")


def read(kind: Any, value: Any, *, is_strict: bool = True) -> Any:
    """Read plain values as a type.

    Args:
        kind: The type.
        value: Mappings, lists, text, numbers, booleans and None.
        is_strict: Text is not taken for a number.

    Raises:
        FieldError: They do not fit; names every field that does not.
    """
    try:
        converted = msgspec.convert(value, kind, strict=is_strict)
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        # In JSON Schema 5.0 is a whole number.
        whole = _with_whole_numbers(value)
        with contextlib.suppress(msgspec.ValidationError, RecursionError, ValueError):
            return _checked(msgspec.convert(whole, kind, strict=is_strict), kind, whole, is_strict=is_strict)
        wrong = _wrong(kind, value, is_strict=is_strict) or [_UNREADABLE]
        raise FieldError(*wrong[0], wrong[1:]) from error
    return _checked(converted, kind, value, is_strict=is_strict)


def _checked(converted: Any, kind: Any, value: Any, *, is_strict: bool) -> Any:
    """What was read, after the checks that go beyond its type, such as of a duration that nothing needs to read now."""
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
    """An error with every further field that does not fit its type.

    Args:
        error: What was found so far.
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
    return [WrongField("/".join(map(str, each.path)), each.sentence) for each in found]
