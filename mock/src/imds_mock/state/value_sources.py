"""Where the value of each leaf comes from: a setting, a derivation, an override or an event."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from imds_mock.metadata.derivation import settings_of
from imds_mock.metadata.layers import matching
from imds_mock.metadata.override_parsing import parse_overrides
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.config.settings import Config
    from imds_mock.events.armed import ArmedEvent
    from imds_mock.metadata.tree import Leaf

SourceName = Literal["setting", "derived", "fixed", "override", "event"]
"""What a value can come from."""


class ValueSource(Record, frozen=True):
    """Where the value of one leaf comes from.

    Attributes:
        source: `setting`: the value of a setting as it is written; `derived`: computed from settings;
            `fixed`: from no setting; `override`: set by path; `event`: changed by an event.
        settings: The keys from which the leaf is derived if no override sets it.
        events: The ids of the events that change the value now, the last one on top.
        is_overridden: Whether an override by path sets the value below the events.
    """

    source: SourceName
    settings: tuple[str, ...]
    events: tuple[str, ...]
    is_overridden: bool


class ValueSources:
    """The sources of the values that one caller sees.

    Args:
        config: The caller's configuration.
        leaves: Its leaves without events.
        events: The events that the caller sees, the earliest armed first.
        now: The mock's time in seconds since the epoch.
    """

    def __init__(self, config: Config, leaves: Mapping[str, Leaf], events: Iterable[ArmedEvent], now: float) -> None:
        self._document: Mapping[str, Any] = msgspec.to_builtins(config)
        self._leaves = leaves
        overrides = parse_overrides(config.metadata)
        self._set = {each.path for each in overrides if not each.is_removed}
        self.removed = tuple(dict.fromkeys(each.path for each in overrides if each.is_removed))
        """The paths that overrides remove, in the order of the overrides."""
        self._events = self._changes(events, now)

    def of(self, path: str, body: bytes) -> ValueSource:
        """The source of a leaf.

        Args:
            path: Its path.
            body: Its value now.
        """
        events, is_overridden = tuple(self._events.get(path, ())), path in self._set
        settings = _settings_of(path)
        if events:
            source: SourceName = "event"
        elif is_overridden:
            source = "override"
        elif not settings:
            source = "fixed"
        else:
            values = (self._value(key, path) for key in settings)
            source = "setting" if body.decode(errors="replace") in values else "derived"
        return ValueSource(source, settings, events, is_overridden)

    def _changes(self, events: Iterable[ArmedEvent], now: float) -> dict[str, list[str]]:
        """The ids of the events that change each path now."""
        bodies: dict[str, bytes | None] = {}
        changes: dict[str, list[str]] = {}
        for each in events:
            for pattern, layer in each.event.layers(each.period):
                for path in matching(pattern, self._leaves):
                    if path not in bodies:
                        leaf = self._leaves.get(path)
                        below = None if leaf is None else leaf.body
                        bodies[path] = below(now) if callable(below) else below
                    body = layer.body(now, bodies[path])
                    if body != bodies[path]:
                        bodies[path] = body
                        changes.setdefault(path, []).append(each.id)
        return changes

    def _value(self, key: str, path: str) -> str | None:
        """The text of a setting; of a mapping, that of the key that ends the path."""
        held: Any = self._document
        for part in key.split("."):
            held = held.get(part) if isinstance(held, Mapping) else None
        if isinstance(held, Mapping):
            held = held.get(path.rpartition("/")[2])
        if isinstance(held, list | tuple):
            return "\n".join(map(str, held))
        return None if held is None or isinstance(held, Mapping) else str(held)


@lru_cache(maxsize=4096)
def _settings_of(path: str) -> tuple[str, ...]:
    # A look-up compares the path with every row of the catalogue.
    return tuple(settings_of(path))
