"""Sentences about the keys of a mapping: unknown, misspelled, renamed or missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imds_mock.violations.hiding import is_word, may_repeat_key
from imds_mock.violations.marks import RENAMED
from imds_mock.violations.words import fields_of, in_words, nearest, several

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

KeyPath = tuple[str | int, ...]


class Violation(NamedTuple):
    """A value or key that does not match the schema.

    Attributes:
        path: Its key path; keys of mappings are text, indexes of lists are numbers.
        sentence: What was expected and what was given.
        is_key: The key itself is unknown.
    """

    path: KeyPath
    sentence: str
    is_key: bool = False


class Renamed(NamedTuple):
    """The new name of a key, and the sentence that says so."""

    name: str
    sentence: str


def dotted(path: KeyPath) -> str:
    """Write a key path as in the documentation: `instance.interfaces[0].mac`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def renamed(
    kinds: Iterable[type], key: str, value: Any = None, spell: Callable[[str], str] = str, sign: str = ": "
) -> Renamed | None:
    """Find the new name of a key that an earlier version had.

    Args:
        kinds: The structs that may have had it.
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


def unknown_key(
    kinds: list[Any], key: str, known: Collection[str], path: KeyPath, *, names_paths: bool
) -> tuple[Violation, str | None]:
    """Describe an unknown key of a mapping.

    Returns:
        The violation, and the known key that the unknown one resembles, if any.
    """
    like = nearest(key, known)
    if not may_repeat_key(key, kinds):
        sentence = f"unknown key (not shown, it may be a secret); the keys here are {several(known)}"
        return Violation(path, sentence, is_key=True), like
    if like is None:
        sentence = f"unknown key; the keys here are {several(known)}"
    else:
        sentence = f"unknown key; did you mean {dotted((*path, like)) if names_paths else like}?"
    return Violation((*path, key), sentence, is_key=True), like


def missing_keys(known: Mapping[str, list[Any]], present: Collection[Any], path: KeyPath) -> Iterator[Violation]:
    """Find the required keys that are missing."""
    for name, fields in known.items():
        if fields and fields[0].required and name not in present:
            yield Violation((*path, name), f"is missing; expected {in_words(fields[0].type)}")


def known_keys(kinds: Iterable[Any]) -> dict[str, list[Any]]:
    """Collect the fields of several structs by key."""
    known: dict[str, list[Any]] = {}
    for kind in kinds:
        for each in fields_of(kind):
            known.setdefault(each.encode_name, []).append(each)
    return known
