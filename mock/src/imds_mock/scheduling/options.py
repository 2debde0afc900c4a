"""Command-line options made from the fields of a structure: name, type, bounds, default and description.

Two marks in a field's `Meta.extra` say what these cannot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec

from imds_mock.violations.words import bare_type, fields_of, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from msgspec.structs import FieldInfo

METAVAR: Final = "metavar"
"""Key in `Meta.extra`: what usage and help call the value, such as `DURATION`."""

POSITIONAL: Final = "positional"
"""Key in `Meta.extra`: the value is recognized by its position instead of by an option's name."""


class Option(NamedTuple):
    """One field on the command line.

    Attributes:
        field: The field's name in the API.
        flag: Such as `--not-before`; None for a positional argument.
        metavar: What usage calls the value; None shows the choices.
        help: What the value means, with its bounds and default.
        type: `int`, `float` or `str`.
        choices: The possible values; empty if there is no fixed list.
        is_required: The field has no default.
        constant: What an option without a value sets the field to; None for an option with a value.
    """

    field: str
    flag: str | None
    metavar: str | None
    help: str
    type: type
    choices: tuple[str, ...]
    is_required: bool
    constant: bool | None


def options_of(kind: type[msgspec.Struct]) -> tuple[Option, ...]:
    """The options for all fields of a structure, in the order of the fields."""
    fields = fields_of(kind)
    flags = {known.encode_name: _flag(known) for known in fields}
    return tuple(_option(known, flags) for known in fields)


def in_a_sentence(text: str) -> str:
    """A description or summary as help texts have it: lower case at the beginning, no period at the end."""
    begins_a_word = text[1:2].islower() or text[1:2] == " "
    return (text[:1].lower() + text[1:] if begins_a_word else text).rstrip(".")


def _option(known: FieldInfo, flags: Mapping[str, str]) -> Option:
    metas = tuple(_metas(known.type))
    extra = {key: value for meta in metas for key, value in (meta.extra or {}).items()}
    types = [bare for option in options(known.type) if (bare := bare_type(option)) is not type(None)]
    choices = tuple(map(str, get_args(types[0]))) if get_origin(types[0]) is Literal else ()
    flag = None if POSITIONAL in extra else flags[known.encode_name]
    text = in_a_sentence(next((meta.description for meta in metas if meta.description), ""))
    text = re.sub(r"`(\w+)`", lambda found: flags.get(found[1], found[0]), text)
    metavar = extra.get(METAVAR)
    constant = None
    if types == [bool]:
        constant = not known.default
        text = text if constant else f"do not {text}"
    else:
        if choices and flag is None:
            metavar, text = known.encode_name.upper(), f"{text}: {', '.join(choices)}"
        text = _with_notes(text, [*_bounds(metas), *_default(known, text)])
    return Option(
        known.encode_name,
        flag,
        metavar,
        text,
        types[0] if types[0] in {int, float} and len(types) == 1 else str,
        choices,
        known.required,
        constant,
    )


def _flag(known: FieldInfo) -> str:
    name = known.encode_name.replace("_", "-")
    return f"--no-{name}" if known.default is True else f"--{name}"


def _with_notes(text: str, notes: list[str]) -> str:
    """A text with notes in parentheses, in those that it has already if it says a default."""
    if "(default: " in text:
        return text.replace("(default: ", f"({''.join(f'{note}; ' for note in notes)}default: ")
    return f"{text} ({'; '.join(notes)})" if notes else text


def _metas(kind: Any) -> Iterator[msgspec.Meta]:
    """The annotations of a type and of the members of a union, the outermost first."""
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        yield from (meta for meta in reversed(metas) if isinstance(meta, msgspec.Meta))
        yield from _metas(inner)
    elif get_origin(kind) is not Literal:
        for member in get_args(kind):
            yield from _metas(member)


def _bounds(metas: tuple[msgspec.Meta, ...]) -> Iterator[str]:
    for meta in metas:
        if meta.ge is not None and meta.le is not None:
            yield f"{meta.ge} to {meta.le}"


def _default(known: FieldInfo, text: str) -> Iterator[str]:
    if not known.required and known.default is not None and "(default: " not in text:
        yield f"default: {known.default:g}" if isinstance(known.default, float) else f"default: {known.default}"
