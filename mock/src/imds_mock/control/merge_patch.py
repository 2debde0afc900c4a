"""JSON merge patches (RFC 7396) of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imds_mock.config.errors import ConfigError, Problem, dotted
from imds_mock.config.settings import Config
from imds_mock.violations.finding import renamed, unknown, unknown_and_hidden
from imds_mock.violations.hiding import may_repeat_key
from imds_mock.violations.words import bare_type, fields_of, is_struct, nearest, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.config.errors import KeyPath

Document = dict[str, Any]


def merge_patch(document: Document, patch: Document) -> Document:
    """Apply a merge patch to an object; both stay as they are.

    Args:
        document: The object to change.
        patch: The changes: null removes a member, an object goes deeper, anything else replaces.
    """
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


def require_known(patch: Document) -> None:
    """Check that every null of a patch is at a setting: once the patch is applied, such a null leaves no trace.

    Args:
        patch: A patch of a configuration.

    Raises:
        ConfigError: Some are not; names all of them.
    """
    problems = list(_unknown_nulls(Config, patch, ()))
    if problems:
        raise ConfigError(problems)


def _unknown_nulls(kind: Any, patch: Document, path: KeyPath) -> Iterator[Problem]:
    structs = [bare for option in options(kind) if is_struct(bare := bare_type(option))]
    known = {each.encode_name: each for struct in structs for each in fields_of(struct)}
    for name, value in patch.items() if structs else ():
        if name in known and isinstance(value, dict):
            yield from _unknown_nulls(known[name].type, value, (*path, name))
        elif name not in known and value is None:
            here, old = (*path, name), renamed(structs, name)
            if old is not None:
                yield Problem(f"{dotted(here)}: {old.sentence}", here)
            elif may_repeat_key(name, structs):
                yield Problem(f"{dotted(here)}: {unknown(known, nearest(name, known), path)}", here)
            else:
                yield Problem(": ".join(filter(None, (dotted(path), unknown_and_hidden(known)))), path)
