"""Documents of the configuration, laid over what the agent says by itself (`ecs.documents`).

A mapping is merged key by key, null removes a key (RFC 7396), anything else replaces what is there. `{$json: VALUE}`
stands for that value as it is, at any depth: text is read as JSON. YAML gives plain scalars as text, so text that
replaces a number or a truth value becomes one where it reads like one.
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
_WHOLE: Final = "$json"
_SECTION: Final = ("ecs", "documents")
_OF_3_AND_4: Final = ("", "/task", "/taskWithTags", "/stats", "/task/stats")
_NAMES: Final = (
    *(TASK, CONTAINER, "v2/metadata", "v2/metadataWithTags", "v2/stats"),
    *(f"{version}{rest}" for version in ("v3", "v4") for rest in _OF_3_AND_4),
)
# What the agent has besides, and the mock only where the configuration gives it.
_OTHERS: Final = re.compile(r"v[34]/(tasks(/stats)?|associations/.+)")
_MAX_DEPTH: Final = 64


class _Whole(NamedTuple):
    """A value that takes the place of whatever is there."""

    value: Any


class Overlays:
    """What the configuration says about documents.

    Args:
        documents: The setting `ecs.documents`.

    Raises:
        SettingError: A key or a value cannot be used; names it.
    """

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._read: dict[str, Any] = {}
        for key, value in documents.items():
            path = (*_SECTION, key)
            name = key.strip("/")
            if name not in _NAMES and not _OTHERS.fullmatch(name):
                raise SettingError(path, _unknown(name))
            if value is not None and not isinstance(value, Mapping):
                raise SettingError(path, "expected a mapping to merge, {$json: ...} for a whole document, or null")
            self._read[name] = _read(value, path)

    def lay(self, name: str, document: Any) -> Any:
        """Lay what is said about a document over it.

        Args:
            name: `task`, `container`, or the document's path without the container's id.
            document: What the agent says; None if it has no such document.

        Returns:
            None if there is no such document, or it is removed.
        """
        if name not in self._read:
            return document
        return _laid(document, self._read[name])


def _unknown(name: str) -> str:
    like = nearest(name, _NAMES)
    hint = f"did you mean {like}?" if like else f"expected one of {', '.join(_NAMES)}"
    return f"unknown document; {hint}"


def _read(value: Any, path: KeyPath) -> Any:
    if len(path) > _MAX_DEPTH:
        raise SettingError(path[:3], "is nested too deeply")
    if isinstance(value, Mapping):
        if _WHOLE in value:
            if len(value) > 1:
                raise SettingError(path, f"expected nothing else beside {_WHOLE}")
            return _Whole(_parsed(value[_WHOLE], (*path, _WHOLE)))
        return {str(key): _read(held, (*path, str(key))) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(_read(held, (*path, place))) for place, held in enumerate(value)]
    return value


def _parsed(value: Any, path: KeyPath) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise SettingError(path, f"expected JSON: {error}") from error


def _laid(below: Any, above: Any) -> Any:
    if isinstance(above, _Whole):
        return above.value
    if isinstance(above, Mapping):
        laid = dict(below) if isinstance(below, Mapping) else {}
        for key, value in above.items():
            if value is None:
                laid.pop(key, None)
            else:
                laid[key] = _laid(laid.get(key), value)
        return laid
    if isinstance(above, str) and isinstance(below, bool | int | float):
        return _typed(above, below)
    return above


def _plain(value: Any) -> Any:
    """An element of a list, below which nothing is merged."""
    return value.value if isinstance(value, _Whole) else _laid(None, value) if isinstance(value, Mapping) else value


@cache
def _typed(text: str, like: float) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return (
        value if isinstance(value, bool) == isinstance(like, bool) and isinstance(value, bool | int | float) else text
    )
