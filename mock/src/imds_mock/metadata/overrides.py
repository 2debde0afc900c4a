"""Leaves and subtrees that the configuration sets, adds or removes by path, whatever the facts say.

A path is written with or without `/latest/` in front; mappings nest. A value is text, a number, true or false, or lines
as a list; null removes the leaf or everything below. A mapping whose keys begin with `$` describes one leaf:
`$text`, `$json` (printed as the service prints JSON) or `$base64`, with `$since` and `$content_type`; with only these
two it changes the leaf that is there. An empty mapping is a category that is there even when it holds nothing. A value
takes the place of a whole subtree, and a subtree that of a value.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config import shapes
from imds_mock.config.errors import SettingError, nearest
from imds_mock.metadata import documents
from imds_mock.metadata.catalogue import since_of
from imds_mock.metadata.tree import Leaf
from imds_mock.violations.finding import Reading, ViolationsError, convert
from imds_mock.violations.hiding import is_word, shown_unless_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imds_mock.config.errors import KeyPath

ROOTS: Final = ("meta-data", "dynamic", "user-data")
"""What a path in the tree begins with."""
_SECTION: Final = "metadata"
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
# Clients take the last two away before they ask, so nobody would ever get there.
_UNREACHABLE: Final = ("", ".", "..")
_MAX_DEPTH: Final = 64
MAX_PATH: Final = 1024
"""Characters of a path in the tree."""
_BODIES: Final = ("$text", "$json", "$base64")
_KEYS: Final = (*_BODIES, "$since", "$content_type")
_FORMS: Final = {"$json": "JSON", "$base64": "base64"}


@dataclass(frozen=True, slots=True)
class Override:
    """One leaf to set, or one path to remove.

    Attributes:
        path: Relative to the version.
        removed: The path and everything below it is taken away.
        kept: The path is a category, even without anything below it.
        body: The bytes; None leaves them as they are.
        since: The metadata version that introduced it; None: the real one.
        content_type: Its `Content-Type`; None: the usual one.
    """

    path: str
    removed: bool = False
    kept: bool = False
    body: bytes | None = None
    since: str | None = None
    content_type: str | None = None


def read_overrides(metadata: Mapping[str, Any]) -> tuple[Override, ...]:
    """Read the `metadata` section.

    Args:
        metadata: Path to value.

    Raises:
        SettingError: A path or value is none; names the key.
    """
    try:
        return tuple(_read(metadata, "", (_SECTION,)))
    except RecursionError as error:
        raise SettingError((_SECTION,), "is nested too deeply, or holds itself") from error


def wrong_overrides(metadata: Mapping[str, Any]) -> Iterator[SettingError]:
    """Find every path and value of the `metadata` section that cannot be read.

    Args:
        metadata: Path to value.
    """
    try:
        yield from _wrong(metadata, "", (_SECTION,))
    except SettingError as error:
        yield error


def apply_overrides(leaves: dict[str, Leaf], labels: dict[str, str], overrides: tuple[Override, ...]) -> None:
    """Change leaves and labels in place.

    Args:
        leaves: Path relative to the version to leaf.
        labels: Path of a category to its name in its parent's listing (see `Tree`).
        overrides: In the order in which they apply.
    """
    if not overrides:
        return
    below = _Below((*leaves, *labels))
    for override in overrides:
        path = override.path
        leaf = leaves.get(path)
        if override.removed or override.body is not None:
            for gone in (path, *below.take(path)):
                leaves.pop(gone, None)
                labels.pop(gone, None)
        if override.kept or override.body is not None:
            _make_room(leaves, path)
            below.add(path)
        if override.kept:
            leaves.pop(path, None)
            name = path.rpartition("/")[2]
            labels[path] = f"{name}/" if name != path else name
        elif override.body is not None:
            usual = "application/octet-stream" if path == "user-data" else "text/plain"
            leaves[path] = Leaf(override.body, override.content_type or usual, override.since or since_of(path))
        elif leaf is not None and not override.removed:
            since = override.since or leaf.since
            leaves[path] = replace(leaf, since=since, content_type=override.content_type or leaf.content_type)


class _Below:
    """Which paths are below which, so that taking a subtree away costs as much as it holds, not as much as there is.

    Args:
        paths: The paths that are there.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._below: dict[str, set[str]] = {}
        for path in paths:
            self.add(path)

    def add(self, path: str) -> None:
        """One more path."""
        for above in _ancestors(path):
            self._below.setdefault(above, set()).add(path)

    def take(self, path: str) -> set[str]:
        """The paths below one; they are not there any more."""
        taken = self._below.pop(path, set())
        for gone in taken:
            for above in _ancestors(gone):
                self._below.get(above, set()).discard(gone)
        return taken


def _read(value: Any, path: str, key: KeyPath) -> Iterator[Override]:
    if isinstance(value, Mapping) and (not path or not any(str(name).startswith("$") for name in value)):
        if path and not value:
            yield Override(path, kept=True)
        for name, below in value.items():
            yield from _read(below, _joined(path, str(name), (*key, str(name))), (*key, str(name)))
    elif value is None:
        yield Override(path, removed=True)
    elif isinstance(value, Mapping):
        yield _described(value, path, key)
    else:
        yield Override(path, body=_text(value, key))


def _wrong(value: Any, path: str, key: KeyPath) -> Iterator[SettingError]:
    try:
        if not isinstance(value, Mapping) or (path and any(str(name).startswith("$") for name in value)):
            list(_read(value, path, key))
            return
    except SettingError as error:
        yield error
        return
    for name, below in value.items():
        try:
            joined = _joined(path, str(name), (*key, str(name)))
        except SettingError as error:
            if error.path == (_SECTION,):
                raise  # it has no bottom
            yield error
        else:
            yield from _wrong(below, joined, (*key, str(name)))


def _joined(path: str, name: str, key: KeyPath) -> str:
    own = name.strip("/")
    if not path:
        own = own.removeprefix("latest/")
    if len(key) > _MAX_DEPTH:
        # Whoever shows the configuration or puts the tree together has a stack of its own below it.
        raise SettingError((_SECTION,), "is nested too deeply, or holds itself")
    if not own or any(part in _UNREACHABLE for part in own.split("/")) or _UNPRINTABLE.search(own):
        raise SettingError(key, "expected a path such as meta-data/placement/region")
    joined = f"{path}/{own}" if path else own
    if len(joined) > MAX_PATH:
        raise SettingError(key, f"expected a path of at most {MAX_PATH} characters, got {len(joined)}")
    if joined.partition("/")[0] not in ROOTS:
        raise SettingError(key, f"expected a path that begins with {', '.join(ROOTS)}")
    return joined


def _described(value: Mapping[str, Any], path: str, key: KeyPath) -> Override:
    for name in value:
        if name not in _KEYS:
            like = nearest(str(name), _KEYS)
            hint = f"did you mean {like}?" if like else f"the keys here are {', '.join(_KEYS)}"
            # Below a role's credentials it may be a secret.
            named = (*key, str(name)) if like or is_word(str(name)) else key
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
        raise SettingError(key, f"expected {_FORMS[kind]}, got {shown_unless_secret(value)}") from error


def _text(value: Any, key: KeyPath) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str | int | float):
        return str(value).encode()
    if isinstance(value, list | tuple) and value:
        return b"\n".join(_text(line, (*key, place)) for place, line in enumerate(value))
    raise SettingError(key, "expected text, a number, true, false, a list of lines, or null to remove it")


def _checked(value: Mapping[str, Any], name: str, kind: Any, key: KeyPath) -> str | None:
    if name not in value:
        return None
    try:
        checked: str = convert(kind, value[name], Reading(is_strict=True))
    except ViolationsError as error:
        raise SettingError((*key, name), error.violations[0].sentence) from error
    return checked


def _make_room(leaves: dict[str, Leaf], path: str) -> None:
    for above in _ancestors(path):
        if above in leaves and not leaves[above].branches:
            del leaves[above]


def _ancestors(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
