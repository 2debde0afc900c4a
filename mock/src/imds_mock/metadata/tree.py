"""The metadata of one instance as categories and leaves; lookup and listing come from this one structure.

Facts (captured from the real service): listings are sorted names joined by a line feed, without one at the end;
categories end in `/`, leaves do not; the listing of a version itself has no slashes; what is absent is absent from its
listing as well. Each dated version shows what existed at its date, `latest` everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Body = bytes | Callable[[float], bytes | None]
"""A leaf's bytes, or what gives them for a wall-clock time in seconds since the epoch (None: absent at that time)."""

Moment = float | Callable[[float], float | None]
"""Seconds since the epoch, or what gives them for a wall-clock time (None: instance start)."""

FIRST: Final = "1.0"
LATEST: Final = "latest"

VERSIONS: Final = (
    *("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01"),
    *("2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19"),
    *("2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03"),
    *("2021-03-23", "2021-07-15", "2022-07-09", "2022-09-24", "2024-04-11", LATEST),
)
"""What `GET /` lists on a current instance (captured June to August 2024)."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value.

    Attributes:
        body: The bytes served, or a function of the time.
        content_type: The `Content-Type` header, exactly.
        since: The metadata version that introduced the leaf; `1.0` sorts before every date, `latest` after.
        modified: Seconds since the epoch for `Last-Modified`, or a function of the time; None means instance start.
        always_listed: Its listing names it without asking for the body: because there always is one, or although there
            may be none (the real service never does that).
        branches: Other paths may lie below it; its parent lists both `name` and `name/` (nor that).
    """

    body: Body
    content_type: str = "text/plain"
    since: str = "1.0"
    modified: Moment | None = None
    always_listed: bool = False
    branches: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a path holds at one moment.

    Attributes:
        body: The leaf's bytes or the listing.
        content_type: The `Content-Type` header.
        modified: Seconds since the epoch, None for instance start.
        lasting: The answer holds for every other moment too.
    """

    body: bytes
    content_type: str
    modified: float | None
    lasting: bool


class _Category:
    __slots__ = ("children", "kept", "lasting", "names", "own", "since")

    def __init__(self, own: Leaf | None = None) -> None:
        self.own = own
        self.kept = False  # there even when it holds nothing
        self.children: dict[str, _Category | Leaf] = {}
        self.names: dict[str, str] = {}
        self.since = LATEST
        self.lasting = True


class Tree:
    """The immutable tree of one instance, for all versions.

    Args:
        leaves: Path relative to the version, without a slash at either end, to leaf.
        labels: Path of a category to the name that its parent's listing shows for it (`public-keys/` lists
            `0=my-key` for the category `0`). A category that no leaf is below is there all the same, and empty.

    Raises:
        ValueError: A path is empty, has an empty part, or names a leaf and a category at once.
    """

    __slots__ = ("_leaves", "_nodes", "_root")

    def __init__(self, leaves: Mapping[str, Leaf], labels: Mapping[str, str] = MappingProxyType({})) -> None:
        self._leaves = MappingProxyType(dict(leaves))
        self._root = _Category()
        self._nodes: dict[str, _Category | Leaf] = {"": self._root}
        for path, leaf in leaves.items():
            self._add(path, leaf)
        for path in labels:
            if path not in self._nodes:
                self._keep(path)
        self._name_children("", self._root, labels)

    @property
    def leaves(self) -> Mapping[str, Leaf]:
        """Every leaf by its path, present or absent at the moment."""
        return self._leaves

    def lookup(self, version: str, path: str, now: float) -> Found | None:
        """Find what a version holds at a path.

        Args:
            version: A metadata version; dates compare as text.
            path: Path relative to the version, without a slash at either end; empty for the version's own listing.
            now: Wall-clock time in seconds since the epoch.

        Returns:
            The leaf or listing, or None when nothing is there at that moment.
        """
        node = self._nodes.get(path)
        if node is None or node.since > version:
            return None
        if isinstance(node, _Category) and node.own is not None:
            node = node.own
        if isinstance(node, _Category):
            listing = "\n".join(self._listing(node, version, now))
            return Found(listing.encode(), "text/plain", None, node.lasting) if listing or node.kept else None
        body = node.body(now) if callable(node.body) else node.body
        if body is None:
            return None
        modified = node.modified(now) if callable(node.modified) else node.modified
        return Found(body, node.content_type, modified, _is_lasting(node))

    def _add(self, path: str, leaf: Leaf) -> None:
        *parents, name = path.split("/")
        category = self._category(parents, path)
        if not name:
            raise ValueError(f"the metadata path {path!r} has an empty part")
        existing = category.children.get(name)
        if isinstance(existing, _Category) and leaf.branches:
            existing.own = leaf
            return
        if existing is not None:
            raise ValueError(f"the metadata path {path!r} cannot hold a value and other paths below it")
        category.children[name] = leaf
        self._nodes[path] = leaf

    def _keep(self, path: str) -> None:
        kept = self._category(path.split("/"), path)
        kept.kept, kept.since = True, FIRST

    def _category(self, parts: Sequence[str], path: str) -> _Category:
        """The category at the end of these parts, made where it is missing."""
        category = self._root
        walked = ""
        for part in parts:
            if not part:
                raise ValueError(f"the metadata path {path!r} has an empty part")
            walked = f"{walked}/{part}" if walked else part
            child = category.children.setdefault(part, _Category())
            if isinstance(child, Leaf) and child.branches:
                child = category.children[part] = _Category(child)
            elif isinstance(child, Leaf):
                raise ValueError(f"the metadata path {walked!r} cannot hold a value and {path!r} below it")
            self._nodes[walked] = child
            category = child
        return category

    def _name_children(self, path: str, category: _Category, labels: Mapping[str, str]) -> None:
        for name, child in category.children.items():
            child_path = f"{path}/{name}" if path else name
            if isinstance(child, _Category):
                self._name_children(child_path, child, labels)
                category.names[name] = labels.get(child_path) or (f"{name}/" if path else name)
                if child.own is not None:
                    category.names[name] = f"{name}\n{name}/"
                    child.since = min(child.since, child.own.since)
                    child.lasting = child.lasting and _is_lasting(child.own)
                category.lasting = category.lasting and child.lasting
            else:
                category.names[name] = name
                category.lasting = category.lasting and (child.always_listed or _is_lasting(child))
            category.since = min(category.since, child.since)
        category.children = dict(sorted(category.children.items()))

    def _listing(self, category: _Category, version: str, now: float) -> Iterator[str]:
        return (
            category.names[name] for name, child in category.children.items() if self._is_present(child, version, now)
        )

    def _is_present(self, node: _Category | Leaf, version: str, now: float) -> bool:
        if node.since > version:
            return False
        if isinstance(node, _Category):
            own = node.own is not None or node.kept
            return own or any(self._is_present(child, version, now) for child in node.children.values())
        return node.always_listed or not callable(node.body) or node.body(now) is not None


def _is_lasting(leaf: Leaf) -> bool:
    return not callable(leaf.body) and not callable(leaf.modified)
