"""What is wrong with a configuration, in one line: where, which key, what was expected, and the nearest known key.

msgspec checks a document quickly and says little about where it fails, so only after a failure the document is walked
along the schema to find the first fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from imds_mock.config.secrets import SECRET_KEYS
from imds_mock.config.shapes import EXPECTED
from imds_mock.errors import MockError

if TYPE_CHECKING:
    from collections.abc import Iterable

KeyPath = tuple[str | int, ...]

_EX_CONFIG: Final = 78
_SHOWN_CHARACTERS: Final = 60
_SECRETS: Final = frozenset(key for _, key in SECRET_KEYS)
_WORDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
    msgspec.UnsetType: "nothing",
}


class ConfigError(MockError):
    """A configuration that cannot be used; one sentence with the place, the key and what was expected.

    Args:
        sentence: The sentence.
        path: The key, where it is known.
    """

    exit_code = _EX_CONFIG

    def __init__(self, sentence: str, path: KeyPath | None = None) -> None:
        # Keys and values are the user's; whatever they hold, the message is one line that can be printed.
        super().__init__("".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in sentence))
        self.path = path


class SettingError(ValueError):
    """A value that contradicts another one or cannot be read.

    Args:
        path: The key.
        sentence: What is wrong and what was expected.
    """

    def __init__(self, path: KeyPath, sentence: str) -> None:
        super().__init__(f"{dotted(path)}: {sentence}")
        self.path = path
        self.sentence = sentence


class Fault(NamedTuple):
    """The first thing that does not fit the schema.

    Attributes:
        path: Its key.
        sentence: What was expected.
    """

    path: KeyPath
    sentence: str


def dotted(path: KeyPath) -> str:
    """Write a key path as in documentation: `instance.interfaces[0].mac`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def find_fault(kind: Any, value: Any, path: KeyPath = ()) -> Fault | None:
    """Find the first value that does not fit its type.

    Args:
        kind: The type, perhaps annotated with `msgspec.Meta`.
        value: What the document holds.
        path: Where it stands.
    """
    options = _options(kind)
    for option in options:
        if isinstance(value, Mapping) and _is_struct(option):
            return _find_in_struct(option, value, path)
        origin, inner = get_origin(option), get_args(option)
        if isinstance(value, Mapping) and origin is dict:
            return _first(
                find_fault(part, item, (*path, str(key)))
                for key, held in value.items()
                for part, item in ((inner[0], key), (inner[1], held))
            )
        if isinstance(value, list | tuple) and origin is tuple:
            return _first(find_fault(inner[0], item, (*path, place)) for place, item in enumerate(value))
    try:
        msgspec.convert(value, kind, strict=False)
    except (msgspec.ValidationError, RecursionError):
        return Fault(path, f"expected {in_words(kind)}, got {_shown(value, path)}")
    return None


def known_keys(kind: type[msgspec.Struct], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    """List every key below a struct, without what lists and mappings hold."""
    for known in msgspec.structs.fields(kind):
        path = (*prefix, known.name)
        yield path
        for option in _options(known.type):
            if _is_struct(option):
                yield from known_keys(option, path)


def in_words(kind: Any) -> str:
    """Say what a type expects, as in "expected a port number from 0 to 65535".

    Args:
        kind: The type, perhaps annotated with `msgspec.Meta`.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        named = [str(meta.extra[EXPECTED]) for meta in inner[1:] if meta.extra and EXPECTED in meta.extra]
        words = named[0] if named else in_words(inner[0])
    elif origin in {Union, UnionType}:
        members = [in_words(member) for member in inner if member is not msgspec.UnsetType]
        words = " or ".join(sorted(members, key="null".__eq__))
    elif origin is Literal:
        words = " or ".join(str(choice) for choice in inner)
    elif origin is tuple:
        words = f"a list, each {in_words(inner[0])}"
    elif origin is dict:
        words = "a mapping" if inner[1] is Any else f"a mapping of {in_words(inner[0])} to {in_words(inner[1])}"
    elif _is_struct(kind):
        words = f"a mapping with {', '.join(known.name for known in msgspec.structs.fields(kind))}"
    else:
        words = _WORDS.get(kind, "something else")
    return words


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that a wrong one looks like, if there is one."""
    import difflib  # noqa: PLC0415 - only an error needs it, and every start would pay

    found = difflib.get_close_matches(name, list(names), 1, 0.6)
    return found[0] if found else None


def unknown_key(kind: type[msgspec.Struct], path: KeyPath, root: type[msgspec.Struct] | None = None) -> str:
    """The sentence for an unknown key.

    Args:
        kind: The struct that does not have it.
        path: The key.
        root: The struct of the whole document, whose other sections may have the key.
    """
    name = str(path[-1])
    siblings = [known.name for known in msgspec.structs.fields(kind)]
    like = nearest(name, siblings)
    if like is not None:
        return f"unknown key; did you mean {dotted((*path[:-1], like))}?"
    if root is not None:
        elsewhere = {known[-1]: known for known in known_keys(root)}
        like = nearest(name, elsewhere)
        if like is not None:
            return f"unknown key; did you mean {dotted(elsewhere[like])}?"
    return f"unknown key; the keys here are {', '.join(siblings)}"


def _find_in_struct(kind: type[msgspec.Struct], value: Mapping[Any, Any], path: KeyPath) -> Fault | None:
    fields = {known.name: known for known in msgspec.structs.fields(kind)}
    for key in value:
        if key not in fields:
            return Fault((*path, str(key)), unknown_key(kind, (*path, str(key))))
    for name, known in fields.items():
        if name in value:
            fault = find_fault(known.type, value[name], (*path, name))
            if fault is not None:
                return fault
        elif known.required:
            return Fault((*path, name), f"is missing; expected {in_words(known.type)}")
    return None


def _first(faults: Iterable[Fault | None]) -> Fault | None:
    return next((fault for fault in faults if fault is not None), None)


def _options(kind: Any) -> list[Any]:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in {Union, UnionType}:
        return [option for member in get_args(kind) for option in _options(member)]
    return [kind]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _shown(value: Any, path: KeyPath) -> str:
    if path and path[-1] in _SECRETS:
        return "something else"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = "null" if value is None else ascii(str(value)) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
