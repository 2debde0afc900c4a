"""The words of a message: what a type expects, what was given, and the known name nearest to a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from imds_mock.violations.marks import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from msgspec.structs import FieldInfo

_SHOWN_CHARACTERS: Final = 60
_EXAMINED_CHARACTERS: Final = 1000
_BEGINNING: Final = 24  # of a text that is longer
_LONGEST_SENTENCE: Final = 1000
_FEW: Final = 8
_WORDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
    msgspec.UnsetType: "nothing",
    msgspec.Raw: "a value",
    Any: "a value",
}
_NUMBERS: Final = (int, float)


def is_struct(kind: Any) -> bool:
    """Whether a type is a struct."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@cache
def fields_of(kind: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    """The fields of a struct, cached: msgspec evaluates the annotations at every call."""
    return msgspec.structs.fields(kind)


def names_of(kind: type[msgspec.Struct]) -> list[str]:
    """The keys of a struct as they are written, including the tag."""
    tag = kind.__struct_config__.tag_field
    return [*([tag] if tag else []), *(known.encode_name for known in fields_of(kind))]


def tag_of(kind: type[msgspec.Struct]) -> str | None:
    """The value of a struct's tag; None if it has none."""
    tag = kind.__struct_config__.tag
    return None if tag is None else str(tag)


def options(kind: Any) -> list[Any]:
    """The members of a union, or the type itself; annotations are kept."""
    bare = kind
    while get_origin(bare) is Annotated:
        bare = get_args(bare)[0]
    if get_origin(bare) in {Union, UnionType}:
        return [option for member in get_args(bare) for option in options(member)]
    return [kind]


def bare_type(kind: Any) -> Any:
    """A type without its annotations."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def in_words(kind: Any) -> str:
    """Describe what a type expects, as in "expected a port number from 0 to 65535"."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        metas = [meta for meta in inner[1:] if isinstance(meta, msgspec.Meta)]
        named = [str(meta.extra[EXPECTED]) for meta in metas if meta.extra and EXPECTED in meta.extra]
        return named[-1] if named else _bounded(inner[0], metas)
    if origin in {Union, UnionType}:
        return _union_in_words([member for member in inner if member is not msgspec.UnsetType])
    if origin is Literal:
        words = _any_of(inner)
    elif origin in {tuple, list}:
        words = f"a list, each {in_words(inner[0])}"
    elif origin is dict:
        words = "a mapping" if inner[1] is Any else f"a mapping of {in_words(inner[0])} to {in_words(inner[1])}"
    elif is_struct(kind):
        words = f"a mapping with {several(names_of(kind), _FEW)}"
    else:
        words = _WORDS.get(kind, "something else")
    return words


def several(names: Iterable[str], most: int = 12) -> str:
    """Join names with commas; many names are cut off with "and others"."""
    known = list(names)
    return ", ".join(known) if len(known) <= most else f"{', '.join(known[:most])} and others"


def shown(value: Any) -> str:
    """Show a value in a message: on one line, and only the beginning of a long one.

    Several lines are not shown at all: they are a document in the wrong place, which may hold secrets.
    """
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if not isinstance(value, str):
        return "null" if value is None else str(value).lower()
    # Callers of the control plane send values of any length, so only the beginning is examined.
    beginning = value[:_EXAMINED_CHARACTERS]
    if len(beginning.splitlines()) > 1:
        return "several lines of text (not shown, they may hold a secret)"
    text = ascii(str(beginning))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_BEGINNING]}... ({len(value)} characters)"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that a wrong one resembles; None if none does."""
    import difflib  # noqa: PLC0415 - only an error needs it, and every start would pay

    known = list(names)
    found = difflib.get_close_matches(name, known, 1, 0.6)
    if found:
        return found[0]
    folded = {each.lower().replace("-", "_"): each for each in known}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), folded, 1, 0.6)
    return folded[found[0]] if found else None


def unknown(kind: str, name: str, known: Iterable[str], none: str) -> str:
    """Describe an unknown name, and suggest a known one.

    Args:
        kind: What it names, such as `event`.
        name: The name that was given.
        known: The known names.
        none: What to write if there are no names.
    """
    names = list(known)
    like = nearest(name, names)
    advice = f"did you mean {like}?" if like else f"expected one of {several(names)}" if names else none
    return f"unknown {kind} {shown(name)}; {advice}"


def printable(sentence: str) -> str:
    """Escape characters that cannot be printed: keys and values come from the user, and a problem is one line."""
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in sentence)


def bounded(sentence: str) -> str:
    """Cut the middle out of a sentence that repeats something long, such as a key or the name of a file."""
    half = _LONGEST_SENTENCE // 2
    return sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[:half]}...{sentence[-half:]}"


def listed(sentences: Sequence[str]) -> str:
    """Join problems: one sentence stays as it is; several follow a line with their number, one per line."""
    if len(sentences) == 1:
        return sentences[0]
    return "\n".join([f"{len(sentences)} problems:", *(f"  {sentence}" for sentence in sentences)])


def _any_of(choices: Iterable[Any]) -> str:
    return " or ".join(map(str, choices))


def _union_in_words(members: Sequence[Any]) -> str:
    tagged = [member for member in members if is_struct(member) and tag_of(member)]
    words = [in_words(member) for member in members if member not in tagged]
    if tagged:
        words.insert(0, f"a mapping whose {tagged[0].__struct_config__.tag_field} is {_any_of(map(tag_of, tagged))}")
    return " or ".join(sorted(words, key="null".__eq__))


def _bounded(kind: Any, metas: Sequence[msgspec.Meta]) -> str:
    """Describe a type with the bounds that its annotations set."""
    words = in_words(kind)
    found: dict[str, Any] = {}
    for meta in metas:
        for bound in ("ge", "gt", "le", "lt", "min_length", "max_length"):
            if (value := getattr(meta, bound)) is not None:
                found[bound] = value
    if kind in _NUMBERS:
        least = f"{found['ge']}" if "ge" in found else f"above {found['gt']}" if "gt" in found else ""
        most = f"{found['le']}" if "le" in found else f"below {found['lt']}" if "lt" in found else ""
        if "ge" in found and "le" in found:
            return f"{words} from {least} to {most}"
        if "ge" in found:
            return f"{words} from {least}" + (f" and {most}" if most else "")
        return f"{words} {' and '.join(filter(None, (least, most)))}".rstrip()
    if "min_length" in found or "max_length" in found:
        fewest, highest = found.get("min_length", 0), found.get("max_length")
        span = f"{fewest} or more" if highest is None else f"{fewest} to {highest}"
        return f"{words} of {span} characters" if kind is str else f"{words}, {span} of them"
    return words
