"""Marks on settings, the walk over all settings that finds them, and sections that do not print their secrets.

A mark is a key of `msgspec.Meta.extra`, so it is next to the type and the description of the setting. Code that treats
some settings differently reads the marks, so no list of names has to be kept up to date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo  # noqa: TC002 - NamedTuple keeps its annotations

from imds_mock.violations.hiding import extra_of
from imds_mock.violations.marks import MAY_HOLD_SECRETS, SECRET
from imds_mock.violations.words import bare_type, fields_of, is_struct, options

PRIVILEGED: Final = "privileged"
"""Mark of a setting that only the mock's owner sets; its value is the reason, as in "it names a file"."""

PRIVILEGED_VALUES: Final = "privileged values"
"""The only values to which `PRIVILEGED` applies; without it, the mark applies to all values."""

A_SECRET: Final = {SECRET: True}
"""`Meta.extra` of a secret."""

WITH_SECRETS: Final = {MAY_HOLD_SECRETS: True}
"""`Meta.extra` of a value that may contain secrets."""

AEMM_SECRETS: Final = (
    "metadata.values.iam-security-credentials.secretaccesskey",
    "metadata.values.iam-security-credentials.token",
)
"""Secrets in the section `aemm`: keys of amazon-ec2-metadata-mock, which are no fields here."""


class Setting(NamedTuple):
    """One field below a type.

    Attributes:
        path: Its key path; an item of a list or mapping is written `*`.
        struct: The struct that has it.
        field: The field.
    """

    path: tuple[str, ...]
    struct: type[Struct]
    field: FieldInfo

    @property
    def extra(self) -> dict[str, Any]:
        """Its marks."""
        return extra_of(self.field.type)


class Held(NamedTuple):
    """A value that a document holds at a setting.

    Attributes:
        path: Its key path; an item of a list is its index.
        value: The value, null included.
    """

    path: tuple[str | int, ...]
    value: Any


def settings_below(kind: Any, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """List every field below a type."""
    for bare in map(bare_type, options(kind)):
        if is_struct(bare):
            for known in fields_of(bare):
                here = (*path, known.encode_name)
                yield Setting(here, bare, known)
                yield from settings_below(known.type, here)
        elif get_origin(bare) in {dict, tuple}:
            yield from settings_below(get_args(bare)[1 if get_origin(bare) is dict else 0], (*path, "*"))


def known_keys(kind: Any) -> Iterator[tuple[str, ...]]:
    """List the key paths below a type, without those in lists and mappings."""
    return (known.path for known in settings_below(kind) if "*" not in known.path)


def marked_settings(kind: Any, mark: str) -> Iterator[Setting]:
    """List the fields below a type that have a mark."""
    return (known for known in settings_below(kind) if mark in known.extra)


def held_at(document: Any, path: tuple[str, ...], above: tuple[str | int, ...] = ()) -> Iterator[Held]:
    """List the values that a document holds at a setting.

    Args:
        document: Plain values; where they do not match the path, there is no value.
        path: The key path; `*` matches every item of a list or mapping.
        above: The key path of the document.
    """
    if not path:
        yield Held(above, document)
        return
    items: Mapping[Any, Any] = {}
    if isinstance(document, Mapping):
        items = document
    elif isinstance(document, list | tuple) and path[0] == "*":
        items = dict(enumerate(document))
    for key in items if path[0] == "*" else {path[0]} & items.keys():
        yield from held_at(items[key], path[1:], (*above, key))


class WithSecrets(Struct, frozen=True, forbid_unknown_fields=True):
    """A section that omits its secrets when it is printed, for example in a traceback."""

    def __repr__(self) -> str:
        secrets = {known.name for known in fields_of(type(self)) if SECRET in extra_of(known.type)}
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in secrets)
        return f"{type(self).__name__}({', '.join(shown)})"
