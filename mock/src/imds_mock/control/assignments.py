"""Settings changed by their dotted keys, all at once, each value read as its key wants it.

Keys are written `instance.region`, `instance.tags.Name`, `instance.interfaces[0].mac` or `metadata.meta-data/own`: all
that follows the name of a mapping is one key of it.
"""

from __future__ import annotations

import re
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

import msgspec

from imds_mock.build.diagnosis import violations
from imds_mock.config.errors import ConfigError, dotted, known_keys, nearest, renamed
from imds_mock.config.settings import Config
from imds_mock.config.sources import read_text
from imds_mock.control.hidden_leaves import MASK
from imds_mock.scheduling.fields import FieldError, WrongField, raise_if_any
from imds_mock.violations.words import bare_type, fields_of, is_struct, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Document = dict[str, Any]

_PLACE: Final = re.compile(r"\[([0-9]{1,6})\]")
_NAME: Final = re.compile(r"[^.\[]+")


def assigned(document: Document, settings: Mapping[str, Any]) -> Document:
    """A document with settings changed.

    Args:
        document: The configuration as plain values; is changed in place.
        settings: Dotted key to value. Text is read as for a variable; null is null.

    Raises:
        FieldError: Keys are unknown or values cannot be read; names all of them.
    """
    problems: list[WrongField] = []
    for key, value in settings.items():
        try:
            _assign(document, key, value)
        except FieldError as error:
            problems += error.problems
        except ConfigError as error:
            problems += (WrongField(key, each.sentence.removeprefix(f"{key}: ")) for each in error.problems)
    if problems:
        found = ((dotted(each.path), each.sentence) for each in violations(document))
        # A mask stands for a secret that was right before.
        problems += (WrongField(name, sentence) for name, sentence in found if at_key(document, name) != MASK)
    raise_if_any(problems)
    return document


def at_key(document: Any, key: str) -> Any:
    """The value of a dotted key, None if there is none."""
    held = document
    for part, _ in _steps(key):
        try:
            held = held[part]
        except (KeyError, IndexError, TypeError):
            return None
    return held


def null_defaults(patch: Mapping[str, Any], after: Document) -> Iterator[str]:
    """Say of each null of a merge patch that it restored a default, where null itself is a value as well.

    Args:
        patch: The merge patch (RFC 7396).
        after: The configuration that it led to.
    """
    known = {*known_keys(Config)}
    for path in _nulls(patch, ()):
        held: Any = after
        for part in path:
            held = held.get(part, msgspec.UNSET) if isinstance(held, dict) else None
        if held is not None and path in known and _takes_null(path):
            what = "the default" if held is msgspec.UNSET else f"the default {msgspec.json.encode(held).decode()}"
            yield (
                f"{dotted(path)}: null in a merge patch restores {what}; "
                f"to set null (none), use `imds-mock ctl config set {dotted(path)}=null`"
            )


def _assign(document: Document, key: str, value: Any) -> None:
    steps = list(_steps(key))
    held: Any = document
    for number, (part, _) in enumerate(steps[:-1]):
        if isinstance(part, int) or isinstance(held, list | tuple):
            _require_place(held, part, key)
        elif held.get(part) is None:
            held[part] = {}
        below = held[part]
        if isinstance(below, tuple):
            below = held[part] = list(below)
        if not isinstance(below, dict | list):
            raise FieldError(key, f"{dotted(tuple(each for each, _ in steps[: number + 1]))} holds a single value")
        held = below
    last, kind = steps[-1]
    if isinstance(held, list):
        _require_place(held, last, key)
    held[last] = read_text(value, kind, key) if isinstance(value, str) and kind is not Any else value


def _require_place(held: Any, part: str | int, key: str) -> None:
    if not isinstance(held, list) or not isinstance(part, int) or part >= len(held):
        count = len(held) if isinstance(held, list) else 0
        raise FieldError(key, f"expected a place from 0 to {count - 1}" if count else "the list is empty")


def _steps(key: str) -> Iterator[tuple[str | int, Any]]:
    """The parts of a key, each with the type of what it holds.

    Raises:
        FieldError: The schema does not have the key.
    """
    kind: Any = Config
    rest = key
    if not key:
        raise FieldError(key, "expected a key such as instance.region")
    while rest:
        members = [bare_type(member) for member in options(kind)]
        structs = [member for member in members if is_struct(member)]
        lists = [member for member in members if get_origin(member) in {tuple, list}]
        maps = [member for member in members if get_origin(member) is dict]
        if structs and (name := _NAME.match(rest)):
            fields = {known.encode_name: known.type for known in fields_of(structs[0])}
            if name[0] not in fields:
                raise FieldError(key, unknown_setting(key))
            kind, rest = fields[name[0]], rest[name.end() :].removeprefix(".")
            yield name[0], kind
        elif lists and (place := _PLACE.match(rest)):
            kind, rest = get_args(lists[0])[0], rest[place.end() :].removeprefix(".")
            yield int(place[1]), kind
        elif maps:
            kind = get_args(maps[0])[1]
            yield rest, kind
            return
        else:
            raise FieldError(key, unknown_setting(key))


def unknown_setting(key: str) -> str:
    """Say that there is no such setting, and which one may be meant.

    Args:
        key: The dotted key.
    """
    first = _NAME.match(key)
    old = first and renamed([Config], first[0])
    if old:
        return old.sentence
    known = {str(path[-1]): dotted(path) for path in known_keys(Config)}
    known |= {dotted(path): dotted(path) for path in known_keys(Config)}
    like = nearest(key, known)
    return f"unknown setting {key}" + (f"; did you mean {known[like]}?" if like else "")


def _takes_null(path: tuple[str, ...]) -> bool:
    kind: Any = Config
    for name in path:
        struct = next(bare for member in options(kind) if is_struct(bare := bare_type(member)))
        kind = next(known.type for known in fields_of(struct) if known.name == name)
    bare = bare_type(kind)
    return get_origin(bare) in {Union, UnionType} and type(None) in get_args(bare)


def _nulls(patch: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, value in patch.items():
        if value is None:
            yield (*path, name)
        elif isinstance(value, dict):
            yield from _nulls(value, (*path, name))
