"""Every field of a document that does not fit its schema.

One mistake gives one violation: what stands below an unknown key is not looked at, and a required key is not called
missing where an unknown key is taken for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from imds_mock.violations.hiding import NOT_SHOWN, has_secrets, is_word, may_be_secret, may_repeat_key
from imds_mock.violations.marks import CHECK, MISTAKES, RENAMED
from imds_mock.violations.words import (
    bare_type,
    fields_of,
    in_words,
    is_struct,
    names_of,
    nearest,
    options,
    several,
    shown,
    tag_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

KeyPath = tuple[str | int, ...]

MOST: Final = 50
"""How many violations are collected at most; a document with more of them is of another kind altogether."""


class Violation(NamedTuple):
    """One thing that does not fit the schema.

    Attributes:
        path: Its key; keys of mappings are text, places in lists numbers.
        sentence: What was expected and what was given.
    """

    path: KeyPath
    sentence: str


class Reading(NamedTuple):
    """How a document is read.

    Attributes:
        is_strict: Text is not taken for a number, as in JSON; otherwise it may be, as in variables and YAML.
        names_paths: A suggestion is a whole path such as `instance.region`, not the key alone.
    """

    is_strict: bool = False
    names_paths: bool = False


def find(kind: Any, value: Any, reading: Reading = Reading(), path: KeyPath = ()) -> list[Violation]:  # noqa: B008
    """Find everything that does not fit.

    Args:
        kind: The type, perhaps annotated with `msgspec.Meta`.
        value: Plain values: mappings, lists, text, numbers, booleans, None.
        reading: How it is read.
        path: Where the value stands.

    Returns:
        The violations in the order of the document, `MOST` at most; empty if everything fits.
    """
    found: list[Violation] = []
    try:
        # One after the other, so that what was found before a document turned out to be bottomless is kept.
        found.extend(islice(_Walk(reading).value(kind, value, path), MOST))
    except RecursionError:
        found = [Violation(path[:1], "is nested too deeply, or holds itself")]
    return found


class _Walk:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def value(self, kind: Any, value: Any, path: KeyPath, *, beside_secrets: bool = False) -> Iterator[Violation]:
        """What does not fit in a value; beside secrets it may be one that was written under the wrong key."""
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
            kinds, wrong = _told_kinds(kinds, tag_field, value, path)
            yield from wrong
        known: dict[str, list[Any]] = {tag_field: []} if tag_field else {}
        for kind in kinds:
            for each in fields_of(kind):
                known.setdefault(each.encode_name, []).append(each)
        taken: set[str | None] = set()
        for key, held in value.items():
            old = None if key in known else renamed(kinds, key, held)
            if old is not None:
                taken.add(old.name)
                yield Violation((*path, key), old.sentence)
            elif key not in known:
                like = nearest(str(key), known)
                taken.add(like)
                if may_repeat_key(str(key), kinds):
                    yield Violation((*path, str(key)), unknown(known, like, path if self._reading.names_paths else ()))
                else:
                    yield Violation(path, unknown_and_hidden(known))
            elif known[key]:
                yield from self._any(known[key], held, (*path, key), beside_secrets=any(map(has_secrets, kinds)))
        # What a kind needs is known when the kind is.
        if len(kinds) == 1:
            yield from _lacking(known, {*value, *taken}, path)
            mistakes_in = getattr(kinds[0], MISTAKES, lambda _value: ())
            yield from (Violation((*path, *own), sentence) for own, sentence in mistakes_in(value))

    def _any(self, fields: list[Any], value: Any, path: KeyPath, *, beside_secrets: bool) -> Iterable[Violation]:
        """What does not fit into any of several fields; the first one's violations stand for all."""
        all_found = [list(self.value(each.type, value, path, beside_secrets=beside_secrets)) for each in fields]
        return next((found for found in all_found if not found), all_found[0])

    def _leaf(
        self, kind: Any, members: list[Any], value: Any, path: KeyPath, *, is_hidden: bool = False
    ) -> Iterator[Violation]:
        got = NOT_SHOWN if is_hidden else shown(value)
        expected = f"expected {in_words(kind)}, got {got}"
        try:
            msgspec.convert(value, kind, strict=self._reading.is_strict)
        except (msgspec.ValidationError, RecursionError):
            choices = [str(choice) for member in map(bare_type, members) for choice in _choices(member)]
            yield Violation(path, expected + ("" if is_hidden else _like(value, choices)))
            return
        for check in _checks(kind) if value is not None else ():
            try:
                check(value)
            except ValueError as error:
                sentence = "" if is_hidden else str(getattr(error, "sentence", error))
                yield Violation(path, sentence or expected)
                return


def unknown(names: Collection[str], like: str | None, path: KeyPath = ()) -> str:
    """The sentence for an unknown key.

    Args:
        names: The keys that are known there.
        like: The known key that it looks like.
        path: The path that stands before that key in the sentence.
    """
    if like is not None:
        return f"unknown key; did you mean {dotted((*path, like))}?"
    return f"unknown key; the keys here are {several(names)}"


class Renamed(NamedTuple):
    """The new name of a key, and the sentence that says so."""

    name: str
    sentence: str


def renamed(
    kinds: Iterable[type], key: str, value: Any = None, spell: Callable[[str], str] = str, sign: str = ": "
) -> Renamed | None:
    """Find the new name of a key that an earlier version had.

    Args:
        kinds: The structs of which one may have had it.
        key: The key.
        value: Its value; the sentence repeats it if it is a word.
        spell: Spells a name as in the source of the key, such as a variable.
        sign: What stands between name and value there.
    """
    for kind in kinds:
        if key in (names := getattr(kind, RENAMED, {})):
            name, version = names[key]
            example = f"{spell(name)}{sign}{value}" if isinstance(value, str) and is_word(value) else spell(name)
            return Renamed(name, f"renamed to {spell(name)} in {version}; write {example}")
    return None


def unknown_and_hidden(names: Collection[str]) -> str:
    """The sentence for an unknown key that no message repeats.

    Args:
        names: The keys that are known there.
    """
    return f"unknown key (not shown, it may be a secret); the keys here are {several(names)}"


def dotted(path: KeyPath) -> str:
    """Write a key path as in documentation: `instance.interfaces[0].mac`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _lacking(known: Mapping[str, list[Any]], there: Collection[Any], path: KeyPath) -> Iterator[Violation]:
    """The required keys that are not there."""
    for name, fields in known.items():
        if fields and fields[0].required and name not in there:
            yield Violation((*path, name), f"is missing; expected {in_words(fields[0].type)}")


def _told_kinds(
    kinds: list[Any], tag_field: str, value: Mapping[Any, Any], path: KeyPath
) -> tuple[list[Any], list[Violation]]:
    """The structs that a mapping may be, by the key that tells its kind, and what is wrong with that key.

    Of a kind that is misspelt the nearest one is taken, so that what stands beside it can be checked.
    """
    names = [name for kind in kinds for name in names_of(kind)]
    meant = _meant_key(tag_field, value, names)
    tags = [tag_of(kind) or "" for kind in kinds]
    if meant is None:
        return kinds, [Violation((*path, tag_field), f"is missing; expected {' or '.join(tags)}")]
    told = value[meant]
    like = told if told in tags else nearest(told, tags) if isinstance(told, str) else None
    chosen = [kind for kind in kinds if tag_of(kind) == like] or kinds
    if meant != tag_field or told in tags:
        return chosen, []
    return chosen, [
        Violation((*path, tag_field), f"expected {' or '.join(tags)}, got {shown(told)}{_like(told, tags)}")
    ]


def _meant_key(name: str, value: Mapping[Any, Any], names: Collection[str]) -> Any:
    """The key under which a name stands, misspelt perhaps; None if it is not there."""
    if name in value:
        return name
    return next((key for key in value if key not in names and nearest(str(key), names) == name), None)


def _like(value: Any, names: Iterable[str]) -> str:
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
