"""Values laid over the leaves of a tree for a time: how an event changes metadata without touching it.

A layer is asked with the clock and the value below it, so several may lie on one leaf, and taking one away shows what
was there before. A path that holds nothing below begins to exist while a layer answers for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from imds_mock.metadata.tree import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Layer(Protocol):
    """What lies over one leaf."""

    @property
    def since(self) -> str:
        """The metadata version that introduced the path; counts only where nothing is below."""

    def body(self, now: float, below: bytes | None) -> bytes | None:
        """The bytes at the moment `now`, given those below; None means absent."""

    def modified(self, now: float, below: float | None) -> float | None:
        """Seconds since the epoch for `Last-Modified`, given what is said below (None: instance start)."""


@dataclass(frozen=True, slots=True)
class _Covered:
    """A leaf's body and time as functions of the clock, with one layer on top."""

    leaf: Leaf | None
    layer: Layer

    def body(self, now: float) -> bytes | None:
        return self.layer.body(now, _body_of(self.leaf, now))

    def modified(self, now: float) -> float | None:
        moment = None if self.leaf is None else self.leaf.modified
        return self.layer.modified(now, moment(now) if callable(moment) else moment)


def lay(leaves: Mapping[str, Leaf], layers: Iterable[tuple[str, Layer]]) -> dict[str, Leaf]:
    """Lay layers over leaves, the later ones on top.

    Args:
        leaves: Path to leaf.
        layers: Path and layer, in the order in which they are laid. A path that ends in `/*` means every leaf
            directly below.

    Returns:
        All leaves, those with layers replaced by leaves that are asked anew at each moment.
    """
    covered = dict(leaves)
    for pattern, layer in layers:
        for path in _matching(pattern, covered):
            below = covered.get(path)
            over = _Covered(below, layer)
            if below is None:
                covered[path] = Leaf(over.body, since=layer.since, modified=over.modified)
            else:
                covered[path] = replace(below, body=over.body, modified=over.modified)
    return covered


def _matching(pattern: str, leaves: Mapping[str, Leaf]) -> list[str]:
    if not pattern.endswith("/*"):
        return [pattern]
    category = pattern[:-1]
    return [path for path in leaves if path.startswith(category) and "/" not in path[len(category) :]]


def _body_of(leaf: Leaf | None, now: float) -> bytes | None:
    if leaf is None:
        return None
    return leaf.body(now) if callable(leaf.body) else leaf.body
