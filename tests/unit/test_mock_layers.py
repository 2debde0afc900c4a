"""Layers on leaves: the top layer is visible, and the value below returns when it ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imds_mock.events.event import Notice
from imds_mock.metadata.layers import apply_layers
from imds_mock.metadata.tree import Leaf, Tree
from imds_mock.scheduling.window import Window

PATHS = st.sampled_from(["meta-data/spot/instance-action", "meta-data/instance-id", "meta-data/x/y"])
WINDOWS = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: Window(pair[0], pair[0] + pair[1]))
NOTICES = st.lists(st.tuples(PATHS, WINDOWS, st.binary(min_size=1, max_size=3)), max_size=6)


@given(NOTICES, st.integers(0, 110))
def test_the_last_open_layer_is_visible_and_otherwise_the_value_below(
    notices: list[tuple[str, Window, bytes]], now: int
) -> None:
    below = {"meta-data/instance-id": Leaf(b"i-1")}
    tree = Tree(apply_layers(below, [(path, Notice(window, "1.0", text)) for path, window, text in notices]))
    for path in ("meta-data/spot/instance-action", "meta-data/instance-id", "meta-data/x/y"):
        open_texts = [text for where, window, text in notices if where == path and now in window]
        expected = open_texts[-1] if open_texts else (b"i-1" if path in below else None)
        found = tree.lookup("latest", path, now)
        assert (found.body if found else None) == expected


@given(NOTICES, st.integers(0, 110))
def test_a_listing_contains_no_path_whose_layer_is_absent(notices: list[tuple[str, Window, bytes]], now: int) -> None:
    layers = [(path, Notice(window, "1.0", text)) for path, window, text in notices]
    tree = Tree(apply_layers({"meta-data/instance-id": Leaf(b"i-1")}, layers))
    listing = tree.lookup("latest", "meta-data", now)
    assert listing is not None
    for category, path in (("spot/", "meta-data/spot/instance-action"), ("x/", "meta-data/x/y")):
        assert (category in listing.body.decode().split("\n")) == (tree.lookup("latest", path, now) is not None)


def test_a_star_stands_for_the_leaves_directly_below() -> None:
    leaves = {"a/one": Leaf(b"1"), "a/two": Leaf(b"2"), "a/deep/three": Leaf(b"3"), "b": Leaf(b"4")}
    covered = apply_layers(leaves, [("a/*", Notice(Window(0), "1.0", b"x"))])
    tree = Tree(covered)
    assert {path: found.body for path in leaves if (found := tree.lookup("latest", path, 1))} == {
        "a/one": b"x",
        "a/two": b"x",
        "a/deep/three": b"3",
        "b": b"4",
    }


def test_content_type_version_and_time_of_the_leaf_below_stay() -> None:
    leaf = Leaf(b"1", content_type="application/octet-stream", since="2016-09-02", modified=7.0)
    covered = apply_layers({"a": leaf}, [("a", Notice(Window(10), "2021-01-03", b"x"))])["a"]
    assert (covered.content_type, covered.since) == ("application/octet-stream", "2016-09-02")
    found = Tree({"a": covered}).lookup("latest", "a", 5)
    assert found is not None
    assert (found.body, found.modified) == (b"1", 7.0)
    found = Tree({"a": covered}).lookup("latest", "a", 11)
    assert found is not None
    assert (found.body, found.modified) == (b"x", 10.0)


def test_a_path_that_a_layer_creates_has_the_layers_version() -> None:
    tree = Tree(apply_layers({}, [("a/b", Notice(Window(0), "2021-07-15", b"x"))]))
    assert tree.lookup("2021-03-23", "a/b", 1) is None
    assert tree.lookup("2021-07-15", "a/b", 1) is not None
