"""Parses the section `metadata` of the configuration into overrides.

A path is written with or without a leading `/latest/`; mappings nest. Values:

* A text, a number, true or false, or a list of lines sets a leaf. Null removes the leaf or everything below the path.
* A mapping whose keys begin with `$` describes one leaf: `$text`, `$json` (formatted as the service formats JSON) or
  `$base64`, with `$since` and `$content_type`. With only the last two, it changes the existing leaf.
* An empty mapping is a category that exists even if it is empty.

A value replaces a whole subtree, and a subtree replaces a value.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config import shapes
from imds_mock.config.errors import SettingError, nearest
from imds_mock.metadata import documents
from imds_mock.metadata.overrides import Override
from imds_mock.violations.finding import Reading, ViolationsError, convert
from imds_mock.violations.hiding import is_word, shown_unless_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.config.errors import KeyPath

ROOTS: Final = ("meta-data", "dynamic", "user-data")
"""The first parts of all paths in the tree."""
MAX_PATH: Final = 1024
"""Characters of a path in the tree."""
_SECTION: Final = "metadata"
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
# Clients remove the last two before they send a request, so no request would reach such a path.
_UNREACHABLE: Final = ("", ".", "..")
_MAX_DEPTH: Final = 64
_BODIES: Final = ("$text", "$json", "$base64")
_KEYS: Final = (*_BODIES, "$since", "$content_type")
_FORMATS: Final = {"$json": "JSON", "$base64": "base64"}


def parse_overrides(metadata: Mapping[str, Any]) -> tuple[Override, ...]:
    """The overrides in the section `metadata`.

    Raises:
        SettingError: A path or value is invalid; names the key.
    """
    overrides = []
    for found in _walk(metadata, "", (_SECTION,)):
        if isinstance(found, SettingError):
            raise found
        overrides.append(found)
    return tuple(overrides)


def find_override_errors(metadata: Mapping[str, Any]) -> Iterator[SettingError]:
    """All invalid paths and values in the section `metadata`."""
    try:
        yield from (found for found in _walk(metadata, "", (_SECTION,)) if isinstance(found, SettingError))
    except SettingError as error:
        yield error


def _walk(value: Any, path: str, key: KeyPath) -> Iterator[Override | SettingError]:
    """The overrides and errors at a path and below it; raises a SettingError if the value is nested too deeply."""
    _require_depth(key)
    if not isinstance(value, Mapping) or (path and any(str(name).startswith("$") for name in value)):
        try:
            yield _parse(value, path, key)
        except SettingError as error:
            if error.path == (_SECTION,):
                raise
            yield error
        return
    if path and not value:
        yield Override(path, is_category=True)
    for name, child in value.items():
        child_key = (*key, str(name))
        try:
            child_path = _join(path, str(name), child_key)
        except SettingError as error:
            yield error
        else:
            yield from _walk(child, child_path, child_key)


def _require_depth(key: KeyPath) -> None:
    # Code that shows the configuration or builds the tree needs stack for as many levels.
    if len(key) > _MAX_DEPTH:
        raise SettingError((_SECTION,), "is nested too deeply, or contains itself")


def _parse(value: Any, path: str, key: KeyPath) -> Override:
    if value is None:
        return Override(path, is_removed=True)
    return _parse_leaf(value, path, key) if isinstance(value, Mapping) else Override(path, body=_text(value, key))


def _join(path: str, name: str, key: KeyPath) -> str:
    own = name.strip("/")
    if not path:
        own = own.removeprefix("latest/")
    if not own or any(part in _UNREACHABLE for part in own.split("/")) or _UNPRINTABLE.search(own):
        raise SettingError(key, "expected a path such as meta-data/placement/region")
    joined = f"{path}/{own}" if path else own
    if len(joined) > MAX_PATH:
        raise SettingError(key, f"expected a path of at most {MAX_PATH} characters, got {len(joined)}")
    if joined.partition("/")[0] not in ROOTS:
        raise SettingError(key, f"expected a path that begins with {', '.join(ROOTS)}")
    return joined


def _parse_leaf(value: Mapping[str, Any], path: str, key: KeyPath) -> Override:
    for name in value:
        if name not in _KEYS:
            similar = nearest(str(name), _KEYS)
            hint = f"did you mean {similar}?" if similar else f"expected one of {', '.join(_KEYS)}"
            # Below a role's credentials, the key may be a secret.
            named = (*key, str(name)) if similar or is_word(str(name)) else key
            raise SettingError(named, f"unknown key; {hint}")
    given = [name for name in _BODIES if name in value]
    if len(given) > 1:
        raise SettingError(key, f"expected only one of {', '.join(_BODIES)}")
    return Override(
        path,
        body=_body(given[0], value[given[0]], (*key, given[0])) if given else None,
        since=_checked(value, "$since", shapes.Date, key),
        content_type=_checked(value, "$content_type", shapes.ContentType, key),
    )


def _body(kind: str, value: Any, key: KeyPath) -> bytes:
    if kind == "$text":
        return _text(value, key)
    try:
        if kind == "$json":
            return documents.write(json.loads(value) if isinstance(value, str) else value)
        return binascii.a2b_base64("".join(str(value).split()), strict_mode=True)
    except (ValueError, TypeError, RecursionError) as error:
        raise SettingError(key, f"expected {_FORMATS[kind]}, got {shown_unless_secret(value)}") from error


def _text(value: Any, key: KeyPath) -> bytes:
    _require_depth(key)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str | int | float):
        return str(value).encode()
    if isinstance(value, list | tuple) and value:
        return b"\n".join(_text(line, (*key, index)) for index, line in enumerate(value))
    raise SettingError(key, "expected text, a number, true, false, a list of lines, or null to remove it")


def _checked(value: Mapping[str, Any], name: str, kind: Any, key: KeyPath) -> str | None:
    if name not in value:
        return None
    try:
        checked: str = convert(kind, value[name], Reading(is_strict=True))
    except ViolationsError as error:
        raise SettingError((*key, name), error.violations[0].sentence) from error
    return checked
