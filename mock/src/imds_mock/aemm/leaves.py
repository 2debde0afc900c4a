"""AEMM's settings as leaves of the metadata tree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from msgspec.structs import replace

from imds_mock.aemm import events
from imds_mock.aemm.data import JSON, ROWS, TAGS_KEY, TAGS_PATH, Nested, Row
from imds_mock.aemm.keys import UsageError
from imds_mock.aemm.native_settings import Changes
from imds_mock.aemm.values import decode_base64
from imds_mock.metadata.documents import RenewableDocument
from imds_mock.metadata.tree import Leaf, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imds_mock.aemm.settings import Settings

ROOT: Final = "/latest/"
_NO_CHANGES: Final = Changes()
_LIFECYCLE_FLAGS: Final = frozenset({"asg-termination-delay-sec", "asg-termination-trigger-time"})


def build_leaves(settings: Settings, started: float, native: Changes = _NO_CHANGES) -> dict[str, Leaf]:
    """All leaves.

    Args:
        settings: AEMM's settings, including the values from the mock's own settings.
        started: Start of the program in seconds since the epoch.
        native: The other changes from the mock's own settings.

    Returns:
        Leaves by path below `/latest/`.

    Raises:
        UsageError: A path is invalid; the message names its key.
    """
    bodies = events.bodies(settings, started)
    mac = settings.text("metadata.values.mac")
    leaves = {path.replace("{mac}", mac): leaf for path, leaf in native.added.items()}
    for row, path in _paths(settings):
        if row.key in native.documents:
            leaves[path] = _native_document(native.documents[row.key], row, settings)
        elif (
            row.key in events.LIFECYCLE_KEYS and native.lifecycle_state and not settings.given.keys() & _LIFECYCLE_FLAGS
        ):
            leaves[path] = native.lifecycle_state
        elif row.value is None:
            leaves[path] = Leaf(bodies[row.key], row.content_type, always_listed=True)
        else:
            leaves[path] = Leaf(_body(row, row.value, settings), row.content_type)
    leaves |= {TAGS_PATH + name: Leaf(value.encode()) for name, value in _tags(settings).items()}
    above = {path.rsplit("/", depth)[0] for path in leaves for depth in range(1, path.count("/") + 1)}
    branching = {path: replace(leaf, may_have_children=path in above) for path, leaf in leaves.items()}
    Tree(branching)
    return branching


def event_paths(settings: Settings) -> dict[str, str]:
    """The request paths of the existing event leaves, by key."""
    return {row.key: ROOT + path for row, path in _paths(settings) if row.value is None}


def _paths(settings: Settings) -> Iterator[tuple[Row, str]]:
    """The existing leaves with their paths below `/latest/`; a leaf with an empty path does not exist."""
    mocked = events.COMMAND_EVENTS[settings.command]
    keys: dict[str, str] = {}
    for row in ROWS:
        name = f"{row.section}.paths.{row.key}"
        path = settings.text(name)
        if not path or (row.value is None and row.key not in mocked):
            continue
        if name not in settings.given and (path.endswith("/") or "//" in path):
            continue  # the default path contains an empty value, so no request can match it
        inner = path.removesuffix("/").removeprefix(ROOT)
        if not path.startswith(ROOT) or not all(inner.split("/")):
            raise UsageError(f"{_origin(settings, name)}: expected a path like {ROOT}meta-data/ami-id, got {path!r}")
        if other := keys.get(inner):
            raise UsageError(f"{_origin(settings, name)}: {other} already has the path {path}")
        keys[inner] = name
        yield row, inner


def _origin(settings: Settings, name: str) -> str:
    origin = settings.origins.get(name)
    return f"key {name} ({origin})" if origin else f"key {name}"


def _body(row: Row, default: str | Nested, settings: Settings) -> bytes:
    name = f"{row.section}.values.{row.key}"
    if isinstance(default, str):
        text = settings.text(name)
        return decode_base64(text) if row.section == "userdata" else text.encode()
    document = _document(default, name, settings)
    if row.content_type == JSON:
        return events.indented_json(document)
    return events.compact_json(document)


def _tags(settings: Settings) -> Mapping[str, str]:
    """The tags that a request can name: no part of their path is empty."""
    tags = cast("Mapping[str, str]", settings.values[TAGS_KEY])
    return {name: value for name, value in tags.items() if all(name.split("/"))}


def _native_document(leaf: Leaf, row: Row, settings: Settings) -> Leaf:
    """A document of the mock in AEMM's layout; AEMM's settings override its members."""
    names = {member: f"{row.section}.values.{row.key}.{member}".lower() for member in cast("Nested", row.value)}
    given = {member: settings.given[name] for member, name in names.items() if name in settings.given}

    def body(now: float) -> bytes | None:
        native = leaf.body(now) if callable(leaf.body) else leaf.body
        if native is None:
            return None
        document = events.indented_json({**json.loads(native), **given})
        return RenewableDocument.of(document, native.renew_after) if isinstance(native, RenewableDocument) else document

    return replace(leaf, body=body, content_type=row.content_type)


def _document(shape: Nested, name: str, settings: Settings) -> dict[str, object]:
    return {
        part: _document(value, f"{name}.{part}", settings)
        if isinstance(value, dict)
        else settings.values[f"{name}.{part}".lower()]
        for part, value in shape.items()
    }
