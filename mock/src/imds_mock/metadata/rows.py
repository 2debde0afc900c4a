"""A row of the catalogue: one path of the metadata, and how its value becomes a leaf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from imds_mock.metadata.tree import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.tree import Moment

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Timed:
    """A value that is asked for when it is read.

    Attributes:
        body: The bytes at a moment in seconds since the epoch.
        modified: When they were written, for `Last-Modified`; None is instance start.
        always_listed: A listing need not ask for the value, which may take long, to know that there is one.
    """

    body: Callable[[float], bytes | None]
    modified: Moment | None = None
    always_listed: bool = False


Value = str | int | bool | bytes | tuple[str, ...] | Timed | None
"""What one leaf says: text, a decimal number, `true` or `false`, bytes as they are, one line each, or absent (None or
no line at all)."""


@dataclass(frozen=True, slots=True)
class Row(Generic[Facts]):
    """One path.

    Attributes:
        path: Relative to the version; a part in angle brackets stands for the names that the value is a mapping of.
        since: The metadata version that introduced it.
        value: Its value from the facts.
        when: When it is there, in words; empty means always.
        content_type: Its `Content-Type`.
    """

    path: str
    since: str
    value: Callable[[Facts], Value | Mapping[str, Value]]
    when: str = ""
    content_type: str = "text/plain"

    def leaves(self, facts: Facts, prefix: str = "") -> Iterator[tuple[str, Leaf]]:
        """Make the leaves that are there.

        Args:
            facts: What the values follow from.
            prefix: Path that the row's own begins below, with a slash at its end.
        """
        value = self.value(facts)
        if isinstance(value, Mapping):
            before, _, rest = self.path.partition("<")
            after = rest.partition(">")[2]
            for name, one in value.items():
                leaf = self._leaf(one)
                if leaf is not None:
                    yield f"{prefix}{before}{name}{after}", leaf
        else:
            leaf = self._leaf(value)
            if leaf is not None:
                yield prefix + self.path, leaf

    def matches(self, path: str, prefix: str = "") -> bool:
        """Whether a path is this row's, whatever stands for its variable parts."""
        own, parts = (prefix + self.path).split("/"), path.split("/")
        return len(own) == len(parts) and all(
            mine == part or mine.startswith("<") for mine, part in zip(own, parts, strict=True)
        )

    def _leaf(self, value: Value) -> Leaf | None:
        if value is None or value == ():
            return None
        if isinstance(value, Timed):
            return Leaf(value.body, self.content_type, self.since, value.modified, value.always_listed)
        return Leaf(_body(value), self.content_type, self.since)


def _body(value: str | float | bytes | tuple[str, ...]) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return "\n".join(value).encode() if isinstance(value, tuple) else str(value).encode()
