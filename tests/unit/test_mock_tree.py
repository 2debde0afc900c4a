"""The tree: lookup and listing agree, for every version and at every moment."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.metadata.tree import LATEST, VERSIONS, Leaf, Tree
from imds_mock.scheduling.window import ALWAYS, Window

names = st.text("abcdefgh-0123456789", min_size=1, max_size=5)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
constant = st.builds(Leaf, body=st.binary(max_size=8), since=st.sampled_from(VERSIONS[:-1]))


def late(moment: float, since: str) -> Leaf:
    """A leaf that appears at a moment."""
    return Leaf(
        lambda now: b"late" if now >= moment else None,
        since=since,
        same_during=lambda now: Window.between([moment], now),
    )


varying = st.builds(late, st.sampled_from([50.0, 100.0]), st.sampled_from(VERSIONS[:-1]))
leaves = constant | varying


@st.composite
def trees(draw: st.DrawFn) -> tuple[Tree, dict[str, Leaf]]:
    chosen: dict[str, Leaf] = {}
    for path, leaf in draw(st.dictionaries(paths, leaves, max_size=12)).items():
        clash = any(
            path == other or f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")
            for other in chosen
        )
        if not clash:
            chosen[path] = leaf
    return Tree(chosen), chosen


def walk(tree: Tree, version: str, path: str, now: float) -> dict[str, bytes]:
    found = tree.lookup(version, path, now)
    assert found is not None, path
    if path and path in tree.leaves:
        return {path: found.body}
    reached: dict[str, bytes] = {}
    for shown in found.body.decode().split("\n"):
        name = shown.removesuffix("/")
        child = f"{path}/{name}" if path else name
        if path:
            assert shown.endswith("/") == (child not in tree.leaves)
        reached |= walk(tree, version, child, now)
    return reached


@given(trees(), st.sampled_from(VERSIONS), st.sampled_from([0.0, 200.0]))
def test_a_crawl_of_the_listings_finds_exactly_the_present_leaves(
    built: tuple[Tree, dict[str, Leaf]], version: str, now: float
) -> None:
    tree, chosen = built
    bodies = {
        path: leaf.body(now) if callable(leaf.body) else leaf.body
        for path, leaf in chosen.items()
        if leaf.since <= version
    }
    present = {path: body for path, body in bodies.items() if body is not None}
    if not present:
        assert tree.lookup(version, "", now) is None
    else:
        assert walk(tree, version, "", now) == present


@given(trees(), st.sampled_from(VERSIONS))
def test_a_result_is_the_same_in_its_window(built: tuple[Tree, dict[str, Leaf]], version: str) -> None:
    tree, chosen = built
    categories = {path.rpartition("/")[0] for path in chosen}
    moments = (0.0, 49.0, 50.0, 99.0, 100.0, 200.0)
    for path in [*chosen, *categories, "", "missing"]:
        for now in moments:
            window = tree.window(path, now)
            assert now in window
            results = [tree.lookup(version, path, moment) for moment in moments if moment in window]
            assert results == [results[0]] * len(results)


def test_the_window_of_a_listing_ends_when_a_leaf_below_appears() -> None:
    tree = Tree({"a/b/late": late(100.0, "1.0"), "a/c": Leaf(b"")})
    assert [tree.window("a", now) for now in (99.0, 100.0)] == [Window(-math.inf, 100.0), Window(100.0)]
    assert tree.window("a/c", 99.0) == ALWAYS


def test_a_result_that_may_change_at_any_moment_has_an_empty_window() -> None:
    tree = Tree({"a/now": Leaf(lambda now: str(now).encode())})
    for path in ("a/now", "a"):
        window = tree.window(path, 5.0)
        assert window.start == window.end


def test_versions_sort_as_text() -> None:
    assert list(VERSIONS) == sorted(VERSIONS)
    assert VERSIONS[-1] == LATEST


def test_a_version_lists_its_categories_without_slashes_and_a_category_lists_with() -> None:
    tree = Tree(
        {"meta-data/placement/region": Leaf(b"us-east-1"), "meta-data/ami-id": Leaf(b"ami-1"), "user-data": Leaf(b"x")}
    )
    root, metadata = tree.lookup(LATEST, "", 0), tree.lookup(LATEST, "meta-data", 0)
    assert root is not None
    assert root.body == b"meta-data\nuser-data"
    assert metadata is not None
    assert metadata.body == b"ami-id\nplacement/"


def test_a_label_replaces_the_name_in_the_listing_only() -> None:
    tree = Tree({"meta-data/public-keys/0/openssh-key": Leaf(b"ssh-rsa A\n")}, {"meta-data/public-keys/0": "0=my-key"})
    keys, key = tree.lookup(LATEST, "meta-data/public-keys", 0), tree.lookup(LATEST, "meta-data/public-keys/0", 0)
    assert keys is not None
    assert keys.body == b"0=my-key"
    assert key is not None
    assert key.body == b"openssh-key"


@pytest.mark.parametrize(
    "bad",
    [{"a": Leaf(b""), "a/b": Leaf(b"")}, {"a/b": Leaf(b""), "a": Leaf(b"")}, {"a//b": Leaf(b"")}, {"": Leaf(b"")}],
)
def test_invalid_paths_are_refused(bad: dict[str, Leaf]) -> None:
    with pytest.raises(ValueError, match="metadata path"):
        Tree(bad)


def test_a_leaf_with_children_is_served_and_listed_twice() -> None:
    own, below = Leaf(b"role", may_have_children=True), Leaf(b"keys")
    for order in ({"a/b": own, "a/b/role": below}, {"a/b/role": below, "a/b": own}):
        tree = Tree(order)
        assert (found := tree.lookup(LATEST, "a/b", 0)) is not None
        assert found.body == b"role"
        assert (listing := tree.lookup(LATEST, "a", 0)) is not None
        assert listing.body == b"b\nb/"
        assert (inner := tree.lookup(LATEST, "a/b/role", 0)) is not None
        assert inner.body == b"keys"
    with pytest.raises(ValueError, match="cannot hold a value"):
        Tree({"a/b": Leaf(b"role"), "a/b/role": below})


def test_an_always_listed_leaf_is_listed_while_it_is_absent() -> None:
    tree = Tree({"spot/action": Leaf(lambda now: b"stop" if now >= 100 else None, always_listed=True)})
    assert tree.lookup(LATEST, "spot/action", 0) is None
    assert (listing := tree.lookup(LATEST, "spot", 0)) is not None
    assert listing.body == b"action"
    assert tree.window("spot", 0) == ALWAYS


def test_a_labelled_category_exists_even_if_it_is_empty() -> None:
    tree = Tree({"a/leaf": Leaf(b"x", since="2021-03-23")}, {"a/empty": "empty/", "a/b/c": "c/"})
    for version, listing in (("1.0", b"b/\nempty/"), (LATEST, b"b/\nempty/\nleaf")):
        found = tree.lookup(version, "a", 0)
        assert found is not None
        assert found.body == listing
    for path, body in (("a/empty", b""), ("a/b", b"c/"), ("a/b/c", b"")):
        found = tree.lookup("1.0", path, 0)
        assert found is not None
        assert found.body == body
    with pytest.raises(ValueError, match="cannot hold a value"):
        Tree({"a": Leaf(b"x")}, {"a/b": "b/"})
