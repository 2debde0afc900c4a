"""The metadata of one instance as a tree of categories and leaves, for look-ups and listings.

Facts captured from the real service:

* A listing consists of sorted names, joined by line feeds, without one at the end. It contains only what exists.
* Categories end in `/`, leaves do not. The listing of a version itself has no slashes.
* A dated version contains what existed at its date; `latest` contains everything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from imds_mock.records import Record
from imds_mock.scheduling.window import ALWAYS, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Body = bytes | Callable[[float], bytes | None]
"""A leaf's bytes, or a function of the time in seconds since the epoch that gives them (None: absent at that time)."""

Timestamp = float | Callable[[float], float | None]
"""Seconds since the epoch, or a function of the time that gives them (None: start of the instance)."""

FIRST: Final = "1.0"
LATEST: Final = "latest"

VERSIONS: Final = (
    *("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01"),
    *("2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19"),
    *("2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03"),
    *("2021-03-23", "2021-07-15", "2022-07-09", "2022-09-24", "2024-04-11", LATEST),
)
"""The listing of `GET /` on a current instance (captured June to August 2024)."""


class Leaf(Record, frozen=True):
    """One value.

    Attributes:
        body: The bytes, or a function of the time.
        content_type: The `Content-Type` header.
        since: The metadata version that introduced the leaf; `1.0` sorts before every date, `latest` after.
        modified: Seconds since the epoch for `Last-Modified`, or a function of the time; None for the instance's start.
        always_listed: The listing contains the leaf without computing its body, even if that is absent (the real
            service lists no absent leaf).
        may_have_children: Other paths may lie below the leaf; its parent lists both `name` and `name/` (unlike the
            real service).
        same_during: A function that returns a span of time around a time in which body and `modified` stay the same;
            None if a function of the time may change at any moment. Not used for a leaf without such functions.
    """

    body: Body
    content_type: str = "text/plain"
    since: str = "1.0"
    modified: Timestamp | None = None
    always_listed: bool = False
    may_have_children: bool = False
    same_during: Callable[[float], Window] | None = None

    def window(self, now: float) -> Window:
        """A span of time in which the leaf shows the same as at `now`; empty if it may change at any moment."""
        if not callable(self.body) and not callable(self.modified):
            return ALWAYS
        return Window(now, now) if self.same_during is None else self.same_during(now)


class LookupResult(Record, frozen=True):
    """A leaf or listing at one time.

    Attributes:
        body: The leaf's bytes or the listing.
        content_type: The `Content-Type` header.
        modified: Seconds since the epoch; None for the instance's start.
    """

    body: bytes
    content_type: str
    modified: float | None


class _Category:
    __slots__ = ("children", "is_permanent", "leaf", "names", "since", "varying")

    def __init__(self, leaf: Leaf | None = None) -> None:
        self.leaf = leaf  # a leaf with the same path
        self.is_permanent = False  # exists even if it is empty
        self.children: dict[str, _Category | Leaf] = {}
        self.names: dict[str, str] = {}  # names in the listing
        self.since = LATEST
        self.varying: list[Leaf] = []  # the leaves in and below it that may appear or disappear


class Tree:
    """The immutable tree of one instance, for all versions.

    Args:
        leaves: Path relative to the version, without a leading or trailing slash, to leaf.
        labels: Path of a category to its name in its parent's listing (`public-keys/` lists `0=my-key` for the category
            `0`). A labelled category exists even if it contains no leaf.

    Raises:
        ValueError: A path is empty, has an empty part, or is both a leaf and a category.
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
                self._add_permanent(path)
        self._name_children("", self._root, labels)

    @property
    def leaves(self) -> Mapping[str, Leaf]:
        """All leaves by path, including those that are absent now."""
        return self._leaves

    def lookup(self, version: str, path: str, now: float) -> LookupResult | None:
        """The leaf or listing at a path; None if there is none at that time.

        Args:
            version: A metadata version; dates compare as text.
            path: Path relative to the version, without a leading or trailing slash; empty for the version's listing.
            now: Wall-clock time in seconds since the epoch.
        """
        node = self._nodes.get(path)
        if node is None or node.since > version:
            return None
        if isinstance(node, _Category) and node.leaf is not None:
            node = node.leaf
        if isinstance(node, _Category):
            listing = "\n".join(self._listing(node, version, now))
            if not listing and not node.is_permanent:
                return None
            return LookupResult(listing.encode(), "text/plain", None)
        body = node.body(now) if callable(node.body) else node.body
        if body is None:
            return None
        modified = node.modified(now) if callable(node.modified) else node.modified
        return LookupResult(body, node.content_type, modified)

    def window(self, path: str, now: float) -> Window:
        """A span of time in which `lookup` gives the same result for a path as at `now`, in every version.

        Args:
            path: Path relative to the version, as in `lookup`.
            now: Wall-clock time in seconds since the epoch.

        Returns:
            A span that contains `now`, or an empty one if the result may change at any moment.
        """
        node = self._nodes.get(path)
        if node is None:
            return ALWAYS
        if isinstance(node, Leaf):
            return node.window(now)
        if node.leaf is not None:
            return node.leaf.window(now)
        return reduce(Window.intersection, (leaf.window(now) for leaf in node.varying), ALWAYS)

    def _add(self, path: str, leaf: Leaf) -> None:
        parent, slash, name = path.rpartition("/")
        category = None if slash and not parent else self._nodes.get(parent)
        if not isinstance(category, _Category):
            category = self._category(parent.split("/"), path)
        if not name:
            raise ValueError(f"the metadata path {path!r} has an empty part")
        existing = category.children.get(name)
        if isinstance(existing, _Category) and leaf.may_have_children:
            existing.leaf = leaf
            return
        if existing is not None:
            raise ValueError(f"the metadata path {path!r} cannot hold a value and other paths below it")
        category.children[name] = leaf
        self._nodes[path] = leaf

    def _add_permanent(self, path: str) -> None:
        category = self._category(path.split("/"), path)
        category.is_permanent, category.since = True, FIRST

    def _category(self, parts: Sequence[str], path: str) -> _Category:
        """The category at a path; missing ones are created."""
        category = self._root
        parent = ""
        for part in parts:
            if not part:
                raise ValueError(f"the metadata path {path!r} has an empty part")
            parent = f"{parent}/{part}" if parent else part
            child = category.children.get(part)
            if child is None:
                child = category.children[part] = _Category()
            elif isinstance(child, Leaf) and child.may_have_children:
                child = category.children[part] = _Category(child)
            elif isinstance(child, Leaf):
                raise ValueError(f"the metadata path {parent!r} cannot hold a value and {path!r} below it")
            self._nodes[parent] = child
            category = child
        return category

    def _name_children(self, path: str, category: _Category, labels: Mapping[str, str]) -> None:
        for name, child in category.children.items():
            child_path = f"{path}/{name}" if path else name
            if isinstance(child, _Category):
                self._name_children(child_path, child, labels)
                category.names[name] = labels.get(child_path) or (f"{name}/" if path else name)
                if child.leaf is not None:
                    category.names[name] = f"{name}\n{name}/"
                    child.since = min(child.since, child.leaf.since)
                category.varying += child.varying
            else:
                category.names[name] = name
                if not child.always_listed and callable(child.body):
                    category.varying.append(child)
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
            always = node.leaf is not None or node.is_permanent
            return always or any(self._is_present(child, version, now) for child in node.children.values())
        return node.always_listed or not callable(node.body) or node.body(now) is not None
