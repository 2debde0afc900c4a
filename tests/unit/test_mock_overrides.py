"""Leaves and subtrees set, added and removed by path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.config.errors import ConfigError
from imds_mock.metadata.tree import LATEST
from support.metadata import Metadata

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer


def overridden(signer: Signer, metadata: dict[str, Any], **facts: Any) -> Metadata:
    return Metadata(signer, {"metadata": metadata}, **facts)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("text", b"text"),
        ("", b""),
        (7, b"7"),
        (1.5, b"1.5"),
        (True, b"true"),
        (["a", 2, False], b"a\n2\nfalse"),
        ({"$text": "$x"}, b"$x"),
        ({"$json": '{"a": [1, null], "b": {}}'}, b'{\n  "a" : [\n    1,\n    null\n  ],\n  "b" : {}\n}'),
        ({"$json": {"a": "é"}}, '{\n  "a" : "é"\n}'.encode()),
        ({"$base64": "AP8="}, b"\x00\xff"),
    ],
)
def test_kinds_of_values(signer: Signer, value: Any, body: bytes) -> None:
    assert overridden(signer, {"meta-data/instance-type": value}).read("meta-data/instance-type") == body


@pytest.mark.parametrize("path", ["meta-data/own/leaf", "/latest/meta-data/own/leaf/", "latest/meta-data/own/leaf"])
def test_a_leaf_is_added_and_listed(signer: Signer, path: str) -> None:
    metadata = overridden(signer, {path: "x"})
    assert metadata.text("own/leaf") == "x"
    assert metadata.text("own") == "leaf"
    assert "own/" in (metadata.text("") or "").split("\n")


def test_mappings_nest(signer: Signer) -> None:
    metadata = overridden(signer, {"meta-data": {"placement": {"region": "mars-1"}, "own/a": {"b": "c"}}})
    assert metadata.text("placement/region") == "mars-1"
    assert metadata.text("placement/availability-zone") == "us-east-1a"
    assert metadata.text("own/a/b") == "c"


def test_null_removes_a_leaf_or_a_subtree(signer: Signer) -> None:
    metadata = overridden(signer, {"meta-data/iam": None, "meta-data": {"mac": None}, "dynamic": None})
    assert metadata.text("iam") is None
    assert metadata.text("mac") is None
    assert metadata.read("dynamic") is None
    assert not {"iam/", "mac"} & set((metadata.text("") or "").split("\n"))
    assert metadata.read("") == b"meta-data"


def test_a_common_prefix_does_not_make_a_subtree(signer: Signer) -> None:
    metadata = overridden(signer, {"meta-data/placement/availability-zone": None})
    assert metadata.text("placement") == "availability-zone-id\nregion"


def test_a_value_replaces_a_subtree_and_a_subtree_replaces_a_value(signer: Signer) -> None:
    metadata = overridden(signer, {"meta-data/placement": "here", "meta-data/hostname/long/name": "x"})
    assert metadata.text("placement") == "here"
    assert metadata.text("hostname") == "long/"
    assert metadata.text("hostname/long/name") == "x"


def test_a_known_path_keeps_its_version_unless_another_is_set(signer: Signer) -> None:
    metadata = overridden(
        signer,
        {
            "meta-data/kernel-id": "aki-1",
            "meta-data/system": {"$since": "1.0"},
            "meta-data/mac": {"$text": "x", "$since": "latest"},
            "meta-data/instance-id": {"$content_type": "text/html"},
            "meta-data/not-there": {"$since": "1.0"},
        },
    )
    assert metadata.leaves["meta-data/kernel-id"].since == "2008-02-01"
    assert metadata.text("system", "1.0") == "nitro"
    assert metadata.text("mac", "2024-04-11") is None
    assert metadata.text("mac") == "x"
    assert metadata.leaves["meta-data/instance-id"].content_type == "text/html"
    assert metadata.text("instance-id") == "i-1234567890abcdef0"
    assert metadata.text("not-there") is None


def test_an_empty_mapping_is_an_empty_category(signer: Signer) -> None:
    metadata = overridden(
        signer,
        {
            "dynamic/fws": {},
            "meta-data/events/recommendations": {},
            "meta-data/hostname": {},
            "meta-data/placement": {},
        },
    )
    assert metadata.read("dynamic") == b"fws/\ninstance-identity/"
    assert metadata.read("dynamic/fws") == b""
    assert metadata.text("events") == "maintenance/\nrecommendations/"
    assert metadata.text("hostname") == ""
    assert "hostname/" in (metadata.text("") or "").split("\n")
    assert metadata.text("placement") == "availability-zone\navailability-zone-id\nregion"
    taken_back = overridden(signer, {"meta-data": {"own": {}}, "meta-data/own": None})
    assert taken_back.text("own") is None


def test_user_data_set_by_path_has_its_content_type(signer: Signer) -> None:
    assert overridden(signer, {"user-data": "x"}).leaves["user-data"].content_type == "application/octet-stream"


def test_a_public_key_added_by_path_has_a_label(signer: Signer) -> None:
    metadata = overridden(signer, {"meta-data/public-keys/3/openssh-key": "ssh-rsa A b\n"})
    assert metadata.text("public-keys") == "0=my-key\n3=key-3"


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"metadata/x": "y"}, "metadata.metadata/x: expected a path that begins with meta-data, dynamic, user-data"),
        ({"": "y"}, "metadata.: expected a path such as meta-data/placement/region"),
        ({"meta-data//x": "y"}, "metadata.meta-data//x: expected a path such as"),
        ({"meta-data/x\ny": "y"}, "expected a path such as"),
        ({"meta-data/x": []}, "metadata.meta-data/x: expected text, a number"),
        ({"meta-data/x": [{}]}, "metadata.meta-data/x[0]: expected text, a number"),
        ({"meta-data/x": {"$txt": "y"}}, "metadata.meta-data/x.$txt: unknown key; did you mean $text?"),
        ({"meta-data/x": {"$text": "y", "z": "y"}}, "metadata.meta-data/x.z: unknown key; expected one of $text"),
        ({"meta-data/x": {"$text": "y", "$json": "1"}}, "metadata.meta-data/x: expected only one of $text"),
        ({"meta-data/x": {"$json": "{"}}, "metadata.meta-data/x.$json: expected JSON, got '{'"),
        ({"meta-data/x": {"$base64": "?"}}, "metadata.meta-data/x.$base64: expected base64, got '?'"),
        ({"meta-data/x": {"$since": "2021"}}, "metadata.meta-data/x.$since: expected a metadata version such as"),
        ({"meta-data/x": {"$content_type": "x"}}, "metadata.meta-data/x.$content_type: expected a content type"),
    ],
)
def test_invalid_overrides_are_refused(signer: Signer, metadata: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        overridden(signer, metadata)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


names = st.sampled_from(["meta-data", "placement", "region", "iam", "info", "mac", "own", "0", "public-keys"])
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/".join(["meta-data", *parts]))
values = st.recursive(
    st.one_of(st.none(), st.text(max_size=3), st.integers(), st.just({"$text": "x"}), st.just({"$since": "1.0"})),
    lambda inner: st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(paths, values, max_size=5))
def test_any_overrides_give_a_tree_that_can_be_crawled(signer: Signer, metadata: dict[str, Any]) -> None:
    built = overridden(signer, metadata)
    if built.read("", LATEST) is not None:
        assert set(built.crawl()) == {path for path in built.leaves if not path.startswith("meta-data/tags/")}
