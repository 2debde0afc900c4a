"""Overrides of the ECS agent's documents (`ecs.documents`).

A mapping is merged key by key, null removes a key (RFC 7396), and any other value replaces the original. At any depth,
`{$json: VALUE}` replaces the original with that value as it is; a text is parsed as JSON. YAML reads plain scalars as
texts, so a text that replaces a number or a boolean is converted if possible.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.config.errors import SettingError, nearest

if TYPE_CHECKING:
    from imds_mock.config.errors import KeyPath

TASK: Final = "task"
CONTAINER: Final = "container"
_REPLACE: Final = "$json"
_SECTION: Final = ("ecs", "documents")
_OF_3_AND_4: Final = ("", "/task", "/taskWithTags", "/stats", "/task/stats")
_NAMES: Final = (
    *(TASK, CONTAINER, "v2/metadata", "v2/metadataWithTags", "v2/stats"),
    *(f"{version}{rest}" for version in ("v3", "v4") for rest in _OF_3_AND_4),
)
# Documents of the agent that the mock serves only if the configuration gives them.
_OPTIONAL: Final = re.compile(r"v[34]/(tasks(/stats)?|associations/.+)")
_MAX_DEPTH: Final = 64


class _Replacement(NamedTuple):
    """A value that replaces the original without merging."""

    value: Any


class DocumentOverrides:
    """The overrides in one configuration.

    Args:
        documents: The setting `ecs.documents`.

    Raises:
        SettingError: A key or a value is invalid; names it.
    """

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._overrides: dict[str, Any] = {}
        for key, value in documents.items():
            path = (*_SECTION, key)
            name = key.strip("/")
            if name not in _NAMES and not _OPTIONAL.fullmatch(name):
                raise SettingError(path, _unknown(name))
            if value is not None and not isinstance(value, Mapping):
                raise SettingError(path, "expected a mapping to merge, {$json: ...} for a whole document, or null")
            self._overrides[name] = _parse(value, path)

    def apply(self, name: str, document: Any) -> Any:
        """A document with its override; None if there is no such document, or the override removes it.

        Args:
            name: `task`, `container`, or the document's path without the container's id.
            document: The original document; None if there is none.
        """
        return _merge(document, self._overrides[name]) if name in self._overrides else document


def _unknown(name: str) -> str:
    similar = nearest(name, _NAMES)
    hint = f"did you mean {similar}?" if similar else f"expected one of {', '.join(_NAMES)}"
    return f"unknown document; {hint}"


def _parse(value: Any, path: KeyPath) -> Any:
    if len(path) > _MAX_DEPTH:
        raise SettingError(path[:3], "is nested too deeply")
    if isinstance(value, Mapping):
        if _REPLACE in value:
            if len(value) > 1:
                raise SettingError(path, f"expected no other key next to {_REPLACE}")
            return _Replacement(_parse_json(value[_REPLACE], (*path, _REPLACE)))
        return {str(key): _parse(each, (*path, str(key))) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_merge(None, _parse(each, (*path, index))) for index, each in enumerate(value)]
    return value


def _parse_json(value: Any, path: KeyPath) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise SettingError(path, f"expected JSON: {error}") from error


def _merge(original: Any, override: Any) -> Any:
    if isinstance(override, _Replacement):
        return override.value
    if isinstance(override, Mapping):
        merged = dict(original) if isinstance(original, Mapping) else {}
        for key, value in override.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = _merge(merged.get(key), value)
        return merged
    if isinstance(override, str) and isinstance(original, bool | int | float):
        return _convert(override, original)
    return override


@cache
def _convert(text: str, original: float) -> Any:
    """The number or boolean that a text contains if the original is of the same kind; otherwise the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    is_same_kind = isinstance(value, bool) == isinstance(original, bool) and isinstance(value, bool | int | float)
    return value if is_same_kind else text
