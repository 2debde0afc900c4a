"""Limits of a document: size, depth and number of nodes, checked before anything is built from it.

A few hundred bytes of YAML can expand to gigabytes, and a list that is 40,000 levels deep exhausts the stack.
"""

from __future__ import annotations

import re
from typing import Any, Final

MAX_BYTES: Final = 1024 * 1024
"""Size of a document."""

MAX_DEPTH: Final = 64
"""Levels of nested mappings and lists; reading, copying and showing them is recursive."""

MAX_NODES: Final = 20_000
"""Mappings, lists, keys and values; an alias counts as the nodes that it stands for."""

# Strings are matched so that marks inside them do not count; every node follows one mark.
_STRING_OR_MARK: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|([\[\]{}:,])', re.DOTALL)
_MARKS: Final = (b",", b":", b"[", b"{")
TOO_DEEP: Final = f"is nested too deeply, in more than {MAX_DEPTH} levels"
"""The end of a sentence about a document that exceeds `MAX_DEPTH`."""

_TOO_MANY: Final = f"has more than {MAX_NODES} keys and values"


class BeyondError(ValueError):
    """A document exceeds a limit; the message completes a sentence that begins with the document's name."""


def excess(text: bytes) -> str | None:
    """Find the limit that a JSON text exceeds, without building the document.

    Returns:
        The end of a sentence that begins with the document's name; None within the limits.
    """
    if sum(map(text.count, (b"[", b"{"))) <= MAX_DEPTH and sum(map(text.count, _MARKS)) <= MAX_NODES:
        return None
    depth = nodes = 0
    for found in _STRING_OR_MARK.finditer(text):
        mark = found[1]
        if mark is None:
            continue
        if mark in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return TOO_DEEP
        elif mark in b"]}":
            depth -= 1
            continue
        nodes += 1
        if nodes > MAX_NODES:
            return _TOO_MANY
    return None


def require_bounds(text: str, loader: Any) -> None:
    """Check that YAML is within the limits, without building the document.

    Raises:
        BeyondError: It exceeds a limit.
        yaml.YAMLError: It is not valid YAML.
    """
    import yaml  # noqa: PLC0415 - a start without a file does not pay for it

    measure = _Measure()
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.AliasEvent):
            measure.alias(str(event.anchor))
        elif isinstance(event, yaml.ScalarEvent):
            measure.scalar(event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            measure.begin(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            measure.end()


class _Measure:
    """Counts the nodes and the depth of a document from its events, in order."""

    def __init__(self) -> None:
        self._nodes = 0
        self._open: list[tuple[str | None, int]] = []  # open mappings and lists: anchor, nodes before it
        self._depths = [0]  # depth of the contents so far, of the document and of each open one
        self._anchored: dict[str, tuple[int, int]] = {}  # nodes and depth that an alias stands for

    def scalar(self, anchor: str | None) -> None:
        self._add(1, 0)
        if anchor is not None:
            self._anchored[anchor] = (1, 0)

    def alias(self, anchor: str) -> None:
        if any(above == anchor for above, _ in self._open):
            raise BeyondError(f"the alias *{anchor} is inside the value that it names")
        self._add(*self._anchored.get(anchor, (1, 0)))

    def begin(self, anchor: str | None) -> None:
        self._open.append((anchor, self._nodes))
        self._depths.append(0)
        self._add(1, 0)

    def end(self) -> None:
        anchor, before = self._open.pop()
        depth = self._depths.pop() + 1
        self._depths[-1] = max(self._depths[-1], depth)
        if anchor is not None:
            self._anchored[anchor] = (self._nodes - before, depth)

    def _add(self, nodes: int, depth: int) -> None:
        self._nodes += nodes
        self._depths[-1] = max(self._depths[-1], depth)
        if self._nodes > MAX_NODES:
            raise BeyondError(f"{_TOO_MANY}, counting each alias as the values it stands for")
        if len(self._open) + depth > MAX_DEPTH:
            raise BeyondError(TOO_DEEP)
