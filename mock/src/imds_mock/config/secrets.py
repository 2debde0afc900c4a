"""Marks on the schema's fields, and sections that keep their secrets out of what is printed.

A mark is a key of `msgspec.Meta.extra`, so it stands beside the type and the description of the setting. Everything
that treats such settings in a special way reads the marks; no list of names is kept by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args

from msgspec import Struct

from imds_mock.violations.hiding import extra_of
from imds_mock.violations.marks import MAY_HOLD_SECRETS, SECRET
from imds_mock.violations.words import fields_of

PRIVILEGED: Final = "privileged"
"""Mark of a setting that reaches beyond the mock; its value says what it reaches, as in "it names a file"."""

PRIVILEGED_VALUES: Final = "privileged values"
"""Values that the mark `PRIVILEGED` is limited to; all values without it."""

A_SECRET: Final = {SECRET: True}
"""`Meta.extra` of a secret."""

WITH_SECRETS: Final = {MAY_HOLD_SECRETS: True}
"""`Meta.extra` of what may hold secrets."""

AEMM_SECRETS: Final = (
    "metadata.values.iam-security-credentials.secretaccesskey",
    "metadata.values.iam-security-credentials.token",
)
"""Keys of the section `aemm` whose values are secrets: amazon-ec2-metadata-mock's own, which have no field here."""


class Marked(NamedTuple):
    """A marked field, or the value of one.

    Attributes:
        path: Key path of the field; a place in a list is a number.
        extra: Its `Meta.extra`.
        value: What a document holds there; None also for null.
    """

    path: tuple[str | int, ...]
    extra: Mapping[str, Any]
    value: Any = None


def marked_fields(kind: Any, mark: str, path: tuple[str, ...] = ()) -> Iterator[Marked]:
    """List the marked fields below a type; an item of a list or mapping is written `*` in the path.

    Args:
        kind: The type, perhaps annotated.
        mark: The mark.
        path: Where it stands.
    """
    for struct, below in _structs(kind, path):
        for known in fields_of(struct):
            extra = extra_of(known.type)
            if mark in extra:
                yield Marked((*below, known.name), extra)
            yield from marked_fields(known.type, mark, (*below, known.name))


def marked_values(kind: Any, value: Any, mark: str, path: tuple[str | int, ...] = ()) -> Iterator[Marked]:
    """List the values that a document holds at marked fields, null included.

    Args:
        kind: The type that the document is to have; what does not fit it is passed over.
        value: The document.
        mark: The mark.
        path: Where it stands.
    """
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = value.items()
        yield from _marked_values_of_fields(kind, value, mark, path)
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    for place, item in items:
        for inner in _items(kind):
            yield from marked_values(inner, item, mark, (*path, place))


def structs_below(kind: Any) -> Iterator[type[Struct]]:
    """List the structs of a type, itself included, and of all fields below it."""
    for struct, _ in _structs(kind, ()):
        yield struct
        for known in fields_of(struct):
            yield from structs_below(known.type)


class WithSecrets(Struct, frozen=True, forbid_unknown_fields=True):
    """A section whose secrets do not show when it is printed, in a traceback say."""

    def __repr__(self) -> str:
        secrets = {known.name for known in fields_of(type(self)) if SECRET in extra_of(known.type)}
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in secrets)
        return f"{type(self).__name__}({', '.join(shown)})"


def _marked_values_of_fields(
    kind: Any, value: Mapping[str, Any], mark: str, path: tuple[str | int, ...]
) -> Iterator[Marked]:
    for struct, _ in _structs(kind, (), of_items=False):
        for known in fields_of(struct):
            if known.name in value:
                extra, held = extra_of(known.type), value[known.name]
                if mark in extra:
                    yield Marked((*path, known.name), extra, held)
                yield from marked_values(known.type, held, mark, (*path, known.name))


def _structs(
    kind: Any, path: tuple[str, ...], *, of_items: bool = True
) -> Iterator[tuple[type[Struct], tuple[str, ...]]]:
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind, path
    elif hasattr(kind, "__metadata__"):
        yield from _structs(get_args(kind)[0], path, of_items=of_items)
    elif getattr(kind, "__origin__", None) in {dict, tuple}:
        for item in _items(kind) if of_items else ():
            yield from _structs(item, (*path, "*"))
    else:
        for member in get_args(kind):
            yield from _structs(member, path, of_items=of_items)


def _items(kind: Any) -> Iterator[Any]:
    """The types of the items that a list or a mapping of this type holds."""
    if hasattr(kind, "__metadata__"):
        yield from _items(get_args(kind)[0])
    elif getattr(kind, "__origin__", None) in {dict, tuple}:
        yield get_args(kind)[1 if kind.__origin__ is dict else 0]
    elif not isinstance(kind, type):
        for member in get_args(kind):
            yield from _items(member)
