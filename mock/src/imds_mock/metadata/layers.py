"""Layers: values that replace leaves for some time. Events change metadata with them.

A layer computes its value from the clock and the value below it, so several layers can cover one leaf, and the original
value returns when they end. A path without a leaf exists while a layer gives it a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from imds_mock.metadata.tree import Leaf
from imds_mock.records import Record
from imds_mock.scheduling.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Layer(Protocol):
    """A value on top of one leaf."""

    @property
    def since(self) -> str:
        """The metadata version that introduced the path; applies only if there is no leaf below."""

    @property
    def changes(self) -> tuple[float, ...]:
        """The times at which `body` or `modified` change although the value below does not."""

    def body(self, now: float, below: bytes | None) -> bytes | None:
        """The value at the time `now`, given the one below; None if absent."""

    def modified(self, now: float, below: float | None) -> float | None:
        """Seconds since the epoch for `Last-Modified`, given the time below; None for the start of the instance."""


class _Covered(Record, frozen=True):
    """Body and time of a leaf with one layer, as functions of the clock."""

    leaf: Leaf | None
    layer: Layer

    def body(self, now: float) -> bytes | None:
        below = None if self.leaf is None else self.leaf.body
        return self.layer.body(now, below(now) if callable(below) else below)

    def modified(self, now: float) -> float | None:
        below = None if self.leaf is None else self.leaf.modified
        return self.layer.modified(now, below(now) if callable(below) else below)

    def same_during(self, now: float) -> Window:
        window = Window.between(self.layer.changes, now)
        return window if self.leaf is None else window.intersection(self.leaf.window(now))


def apply_layers(leaves: Mapping[str, Leaf], layers: Iterable[tuple[str, Layer]]) -> dict[str, Leaf]:
    """All leaves, with those under a layer replaced by functions of the clock.

    Args:
        leaves: Path to leaf.
        layers: Path and layer, the lowest first. A path that ends in `/*` stands for all leaves directly below.
    """
    covered = dict(leaves)
    for pattern, layer in layers:
        for path in matching(pattern, covered):
            leaf = covered.get(path)
            top = _Covered(leaf, layer)
            if leaf is None:
                covered[path] = Leaf(top.body, since=layer.since, modified=top.modified, same_during=top.same_during)
            else:
                covered[path] = replace(leaf, body=top.body, modified=top.modified, same_during=top.same_during)
    return covered


def matching(pattern: str, leaves: Iterable[str]) -> list[str]:
    """The paths that the pattern of a layer stands for."""
    if not pattern.endswith("/*"):
        return [pattern]
    category = pattern[:-1]
    return [path for path in leaves if path.startswith(category) and "/" not in path[len(category) :]]
