"""Changes of a configuration document: by a merge patch (RFC 7396), by dotted keys, or by a path of the API.

Dotted keys are written `instance.region`, `instance.tags.Name`, `instance.interfaces[0].mac` or
`metadata.meta-data/own`: everything after the name of a mapping is one key of it.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import msgspec

from imds_mock.build.diagnosis import violations
from imds_mock.config.document_limits import MAX_DEPTH, TOO_DEEP
from imds_mock.config.errors import READING, ConfigError, dotted, nearest, problem_of, renamed
from imds_mock.config.marks import known_keys
from imds_mock.config.settings import Config
from imds_mock.config.sources import read_text
from imds_mock.control.credential_masks import MASK
from imds_mock.control.problems import ProblemError
from imds_mock.scheduling.fields import FieldError, WrongField, raise_if_any
from imds_mock.violations.finding import find_unknown_keys
from imds_mock.violations.words import bare_type, fields_of, is_struct, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imds_mock.config.errors import KeyPath

Document = dict[str, Any]

_PLACE: Final = re.compile(r"\[([0-9]{1,6})\]")
_NAME: Final = re.compile(r"[^.\[]+")


def merge_patch(document: Document, patch: Document) -> Document:
    """Apply a merge patch to a copy: null removes a member, an object is merged, anything else replaces."""
    merged = dict(document)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge_patch(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def require_known_nulls(patch: Document) -> None:
    """Check that every null of a patch is at a known key. Applying the patch leaves no trace of a null.

    Raises:
        ConfigError: Some nulls are at unknown keys; names all of them.
    """
    unknown = find_unknown_keys(Config, _only_nulls(patch), READING)
    if unknown:
        raise ConfigError(list(map(problem_of, unknown)))


def null_defaults(patch: Mapping[str, Any], after: Document) -> Iterator[str]:
    """Write a note for each null of a merge patch that restored a default although the setting accepts null."""
    for path in _nulls(patch, ()):
        held: Any = after
        for part in path:
            held = held.get(part, msgspec.UNSET) if isinstance(held, dict) else None
        if held is not None and _accepts_null(path):
            what = "the default" if held is msgspec.UNSET else f"the default {msgspec.json.encode(held).decode()}"
            yield (
                f"{dotted(path)}: null in a merge patch restores {what}; "
                f"to set null (none), use `imds-mock ctl config set {dotted(path)}=null`"
            )


def assigned(document: Document, settings: Mapping[str, Any]) -> Document:
    """Set several settings by their dotted keys.

    Args:
        document: The configuration as plain values; is changed.
        settings: Dotted key to value. Text is read as in a variable; null is null.

    Raises:
        FieldError: Keys are unknown or values cannot be read; names all of them.
    """
    problems: list[WrongField] = []
    for key, value in settings.items():
        try:
            steps = list(_steps(key))
            kind = steps[-1][1]
            read = read_text(value, kind, key) if isinstance(value, str) and kind is not Any else value
            put(document, [part for part, _ in steps], read)
        except FieldError as error:
            problems += error.problems
        except ConfigError as error:
            problems += (WrongField(key, each.sentence.removeprefix(f"{key}: ")) for each in error.problems)
    if problems:
        found = ((dotted(each.path), each.sentence) for each in violations(document))
        # A mask stands for a secret that was valid before.
        problems += (WrongField(name, sentence) for name, sentence in found if at_key(document, name) != MASK)
    raise_if_any(problems)
    return document


def put(document: Document, path: Sequence[str | int], value: Any) -> None:
    """Set one value of a document; mappings that are missing or null on the way to it are created.

    Raises:
        FieldError: A list has no such index, or there is a single value on the way.
    """
    held: Any = document
    key = dotted(tuple(path))
    for number, part in enumerate(path[:-1]):
        if isinstance(part, int) or isinstance(held, list | tuple):
            _require_index(held, part, key)
        elif held.get(part) is None:
            held[part] = {}
        below = held[part]
        if isinstance(below, tuple):
            below = held[part] = list(below)
        if not isinstance(below, dict | list):
            raise FieldError(key, f"{dotted(tuple(path[: number + 1]))} holds a single value")
        held = below
    if isinstance(held, list):
        _require_index(held, path[-1], key)
    held[path[-1]] = value


def at_key(document: Any, key: str) -> Any:
    """Look up a dotted key of the schema; None if the document has no such value."""
    held = document
    for part, _ in _steps(key):
        try:
            held = held[part]
        except (KeyError, IndexError, TypeError):
            return None
    return held


def require_setting(path: Sequence[str]) -> None:
    """Check that the schema has a key; keys of mappings are free.

    Raises:
        ProblemError: 404, it does not, or the path has more parts than a document may have levels.
    """
    if len(path) > MAX_DEPTH:
        raise ProblemError(404, f"the path {TOO_DEEP}")
    kind: Any = Config
    for part in path:
        if get_origin(_member(kind, dict)) is dict:
            return
        kind = _field(kind, part)
        if kind is None:
            raise ProblemError(404, unknown_setting(".".join(path)))


def unknown_setting(key: str) -> str:
    """Describe an unknown setting, and suggest a known one."""
    first = _NAME.match(key)
    old = first and renamed([Config], first[0])
    if first and old:
        return f"{first[0]}: {old.sentence}"
    known = {str(path[-1]): dotted(path) for path in known_keys(Config)}
    known |= {dotted(path): dotted(path) for path in known_keys(Config)}
    like = nearest(key, known)
    return f"unknown setting {key}" + (f"; did you mean {known[like]}?" if like else "")


def _steps(key: str) -> Iterator[tuple[str | int, Any]]:
    """Split a dotted key into its parts, each with the type of its value.

    Raises:
        FieldError: The schema does not have the key.
    """
    kind: Any = Config
    rest = key
    if not key:
        raise FieldError(key, "expected a key such as instance.region")
    while rest:
        if (name := _NAME.match(rest)) and (below := _field(kind, name[0])) is not None:
            kind, rest = below, rest[name.end() :].removeprefix(".")
            yield name[0], kind
        elif (place := _PLACE.match(rest)) and (items := _member(kind, tuple, list)) is not None:
            kind, rest = get_args(items)[0], rest[place.end() :].removeprefix(".")
            yield int(place[1]), kind
        elif (mapping := _member(kind, dict)) is not None:
            yield rest, get_args(mapping)[1]
            return
        else:
            sentence = unknown_setting(key)
            raise FieldError(key, sentence.removeprefix(f"{key}: "))


def _field(kind: Any, name: str) -> Any:
    """The type of a field of a struct; None if it is not a struct or has no such field."""
    structs = [bare for member in options(kind) if is_struct(bare := bare_type(member))]
    return next((known.type for struct in structs for known in fields_of(struct) if known.encode_name == name), None)


def _member(kind: Any, *origins: type) -> Any:
    """The member of a type that is one of these collections; None if there is none."""
    return next((bare for member in options(kind) if get_origin(bare := bare_type(member)) in origins), None)


def _accepts_null(path: KeyPath) -> bool:
    kind: Any = Config
    for name in path:
        kind = _field(kind, str(name))
    return NoneType in map(bare_type, options(kind))


def _require_index(held: Any, part: str | int, key: str) -> None:
    if not isinstance(held, list) or not isinstance(part, int) or part >= len(held):
        count = len(held) if isinstance(held, list) else 0
        raise FieldError(key, f"expected an index from 0 to {count - 1}" if count else "the list is empty")


def _only_nulls(patch: Document) -> Document:
    return {
        name: None if value is None else _only_nulls(value)
        for name, value in patch.items()
        if value is None or isinstance(value, dict)
    }


def _nulls(patch: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, value in patch.items():
        if value is None:
            yield (*path, name)
        elif isinstance(value, dict):
            yield from _nulls(value, (*path, name))
