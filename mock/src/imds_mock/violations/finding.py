"""Conversion of plain values to a type, and every violation if they do not match it.

One mistake gives one violation: values below an unknown key are not checked, and a required key does not count as
missing if an unknown key resembles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from imds_mock.violations.hiding import NOT_SHOWN, has_secrets, is_word, may_be_secret
from imds_mock.violations.keys import KeyPath, Violation, known_keys, missing_keys, renamed, unknown_key
from imds_mock.violations.marks import CHECK, MISTAKES
from imds_mock.violations.words import bare_type, in_words, is_struct, names_of, nearest, options, shown, tag_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

MOST: Final = 50
"""The largest number of violations that are collected."""


class Reading(NamedTuple):
    """How a document is read.

    Attributes:
        is_strict: Text is not converted to numbers, as in JSON; variables and YAML files are not strict.
        names_paths: A suggestion is a whole key path such as `instance.region` instead of the key alone.
    """

    is_strict: bool = False
    names_paths: bool = False


class ViolationsError(ValueError):
    """Plain values do not match their type.

    Args:
        violations: Every violation; empty only if none can be named.
    """

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__()
        self.violations = violations


def convert(kind: Any, value: Any, reading: Reading = Reading()) -> Any:  # noqa: B008 - is immutable
    """Convert plain values to a type.

    Args:
        kind: The type, perhaps annotated with `msgspec.Meta`.
        value: Mappings, lists, text, numbers, booleans and None.
        reading: How they are read.

    Raises:
        ViolationsError: They do not match; has every violation.
    """
    try:
        return msgspec.convert(value, kind, strict=reading.is_strict)
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        raise ViolationsError(find(kind, value, reading)) from error


def find(kind: Any, value: Any, reading: Reading = Reading(), path: KeyPath = ()) -> list[Violation]:  # noqa: B008
    """Find every violation.

    Returns:
        At most `MOST` violations, in the order of the document.
    """
    return _first(_Walk(reading).value(kind, value, path), path)


def find_unknown_keys(kind: Any, value: Any, reading: Reading = Reading()) -> list[Violation]:  # noqa: B008
    """Find the violations that are unknown keys; the arguments are those of `find`."""
    return _first((each for each in _Walk(reading).value(kind, value, ()) if each.is_key), ())


def _first(found: Iterator[Violation], path: KeyPath) -> list[Violation]:
    collected: list[Violation] = []
    try:
        # `extend` keeps what was found before the recursion ended.
        collected.extend(islice(found, MOST))
    except RecursionError:
        return [Violation(path[:1], "is nested too deeply, or contains itself")]
    return collected


class _Walk:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def value(self, kind: Any, value: Any, path: KeyPath, *, beside_secrets: bool = False) -> Iterator[Violation]:
        """Find the violations of a value; beside secrets, it may be a secret under the wrong key."""
        members = options(kind)
        if isinstance(value, Mapping):
            structs = [bare_type(member) for member in members if is_struct(bare_type(member))]
            if structs:
                yield from self._struct(structs, value, path)
                return
            for member in map(bare_type, members):
                if get_origin(member) is dict:
                    keys, values = get_args(member)
                    yield from self._mapping(keys, values, value, path)
                    return
        if isinstance(value, list | tuple) and value:
            for member in map(bare_type, members):
                if get_origin(member) in {tuple, list}:
                    for place, item in enumerate(value):
                        yield from self.value(get_args(member)[0], item, (*path, place))
                    return
        is_hidden = may_be_secret(kind) or (beside_secrets and not is_word(str(value)))
        yield from self._leaf(kind, members, value, path, is_hidden=is_hidden and isinstance(value, str))

    def _mapping(self, keys: Any, values: Any, value: Mapping[Any, Any], path: KeyPath) -> Iterator[Violation]:
        for key, held in value.items():
            here = (*path, str(key))
            wrong = list(self._leaf(keys, options(keys), key, here))
            yield from wrong or self.value(values, held, here)

    def _struct(self, kinds: list[Any], value: Mapping[Any, Any], path: KeyPath) -> Iterator[Violation]:
        tag_field = kinds[0].__struct_config__.tag_field
        if tag_field:
            kinds, wrong = _tagged(kinds, tag_field, value, path)
            yield from wrong
        known = ({tag_field: []} if tag_field else {}) | known_keys(kinds)
        taken: set[str | None] = set()
        for key, held in value.items():
            if key in known:
                yield from self._any(known[key], held, (*path, key), beside_secrets=any(map(has_secrets, kinds)))
            elif old := renamed(kinds, key, held):
                taken.add(old.name)
                yield Violation((*path, key), old.sentence, is_key=True)
            else:
                violation, like = unknown_key(kinds, str(key), known, path, names_paths=self._reading.names_paths)
                taken.add(like)
                yield violation
        # What a kind requires is known only if there is one kind.
        if len(kinds) == 1:
            yield from missing_keys(known, {*value, *taken}, path)
            mistakes_in = getattr(kinds[0], MISTAKES, lambda _value: ())
            yield from (Violation((*path, *own), sentence) for own, sentence in mistakes_in(value))

    def _any(self, fields: list[Any], value: Any, path: KeyPath, *, beside_secrets: bool) -> Iterable[Violation]:
        """Find the violations of a value that matches none of several fields: those of the first field."""
        all_found = [
            list(islice(self.value(each.type, value, path, beside_secrets=beside_secrets), MOST)) for each in fields
        ]
        return next((found for found in all_found if not found), all_found[0] if all_found else ())

    def _leaf(
        self, kind: Any, members: list[Any], value: Any, path: KeyPath, *, is_hidden: bool = False
    ) -> Iterator[Violation]:
        got = NOT_SHOWN if is_hidden else shown(value)
        expected = f"expected {in_words(kind)}, got {got}"
        try:
            msgspec.convert(value, kind, strict=self._reading.is_strict)
        except (msgspec.ValidationError, RecursionError):
            choices = [str(choice) for member in map(bare_type, members) for choice in _choices(member)]
            yield Violation(path, expected + ("" if is_hidden else _suggestion(value, choices)))
            return
        for check in _checks(kind) if value is not None else ():
            try:
                check(value)
            except ValueError as error:
                sentence = "" if is_hidden else str(getattr(error, "sentence", error))
                yield Violation(path, sentence or expected)
                return


def _tagged(
    kinds: list[Any], tag_field: str, value: Mapping[Any, Any], path: KeyPath
) -> tuple[list[Any], list[Violation]]:
    """Select the structs that a mapping may be by its tag, and find what is wrong with the tag.

    A misspelled tag selects the nearest kind, so that the other keys can be checked.
    """
    names = [name for kind in kinds for name in names_of(kind)]
    key = _tag_key(tag_field, value, names)
    tags = [tag_of(kind) or "" for kind in kinds]
    if key is None:
        return kinds, [Violation((*path, tag_field), f"is missing; expected {' or '.join(tags)}")]
    tag = value[key]
    like = tag if tag in tags else nearest(tag, tags) if isinstance(tag, str) else None
    chosen = [kind for kind in kinds if tag_of(kind) == like] or kinds
    if key != tag_field or tag in tags:
        return chosen, []
    sentence = f"expected {' or '.join(tags)}, got {shown(tag)}{_suggestion(tag, tags)}"
    return chosen, [Violation((*path, tag_field), sentence)]


def _tag_key(name: str, value: Mapping[Any, Any], names: Collection[str]) -> Any:
    """Find the key that holds the tag, perhaps misspelled; None if it is missing."""
    if name in value:
        return name
    return next((key for key in value if key not in names and nearest(str(key), names) == name), None)


def _suggestion(value: Any, names: Iterable[str]) -> str:
    like = nearest(value, names) if isinstance(value, str) else None
    return f"; did you mean {like}?" if like else ""


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _checks(kind: Any) -> Iterator[Any]:
    marked = kind
    while get_origin(marked) is Annotated:
        marked, *marks = get_args(marked)
        extras = (mark.extra or {} for mark in marks if isinstance(mark, msgspec.Meta))
        yield from (extra[CHECK] for extra in extras if CHECK in extra)
    if get_origin(marked) in {Union, UnionType}:
        for member in get_args(marked):
            yield from _checks(member)
