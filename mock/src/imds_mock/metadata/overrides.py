"""Overrides: leaves and subtrees that the configuration sets, adds or removes by path; see `override_parsing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from imds_mock.metadata.catalogue import since_of
from imds_mock.metadata.tree import Leaf
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Override(Record, frozen=True):
    """A change of one path.

    Attributes:
        path: Path relative to the version.
        is_removed: The path and everything below it is removed.
        is_category: The path is a category, even if it is empty.
        body: The bytes; None to keep those of the leaf.
        since: The metadata version that introduced the leaf; None for the real one.
        content_type: The `Content-Type` header; None for the usual one.
    """

    path: str
    is_removed: bool = False
    is_category: bool = False
    body: bytes | None = None
    since: str | None = None
    content_type: str | None = None


def apply_overrides(leaves: dict[str, Leaf], labels: dict[str, str], overrides: tuple[Override, ...]) -> None:
    """Change leaves and labels in place.

    Args:
        leaves: Path relative to the version to leaf.
        labels: Path of a category to its name in its parent's listing (see `Tree`).
        overrides: The overrides, in the order in which they apply.
    """
    if not overrides:
        return
    descendants = _Descendants((*leaves, *labels))
    for override in overrides:
        path = override.path
        leaf = leaves.get(path)
        if override.is_removed or override.body is not None:
            for removed in (path, *descendants.remove(path)):
                leaves.pop(removed, None)
                labels.pop(removed, None)
        if override.is_category or override.body is not None:
            _remove_parent_leaves(leaves, path)
            descendants.add(path)
        if override.is_category:
            leaves.pop(path, None)
            name = path.rpartition("/")[2]
            labels[path] = f"{name}/" if name != path else name
        elif override.body is not None:
            usual = "application/octet-stream" if path == "user-data" else "text/plain"
            leaves[path] = Leaf(override.body, override.content_type or usual, override.since or since_of(path))
        elif leaf is not None and not override.is_removed:
            since = override.since or leaf.since
            leaves[path] = replace(leaf, since=since, content_type=override.content_type or leaf.content_type)


class _Descendants:
    """Which paths lie below which, so that the cost of removing a subtree depends on its own size alone."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._below: dict[str, set[str]] = {}
        for path in paths:
            self.add(path)

    def add(self, path: str) -> None:
        """Add a path."""
        for ancestor in _ancestors(path):
            self._below.setdefault(ancestor, set()).add(path)

    def remove(self, path: str) -> set[str]:
        """Remove the paths below one; gives them."""
        removed = self._below.pop(path, set())
        for each in removed:
            for ancestor in _ancestors(each):
                self._below.get(ancestor, set()).discard(each)
        return removed


def _remove_parent_leaves(leaves: dict[str, Leaf], path: str) -> None:
    for ancestor in _ancestors(path):
        if ancestor in leaves and not leaves[ancestor].may_have_children:
            del leaves[ancestor]


def _ancestors(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
