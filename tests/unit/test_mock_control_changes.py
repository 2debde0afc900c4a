"""Changes of the configuration: dotted keys, merge patches (RFC 7396), and what null means in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.build.loading import document_of, from_document
from imds_mock.config.errors import ConfigError, dotted
from imds_mock.config.marks import known_keys
from imds_mock.config.settings import Config
from imds_mock.config.sources import key_types
from imds_mock.control.changes import assigned, at_key, merge_patch, null_defaults
from imds_mock.scheduling.fields import FieldError
from support.held_mock import HeldMock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.signing.signer import Signer


def test_text_is_read_as_the_key_wants_it() -> None:
    config = from_document(
        assigned(
            document_of(Config()),
            {
                "instance.region": "eu-west-1",
                "instance.role": None,
                "instance.public_ipv4": "null",
                "instance.tags": "a=b,c=d",
                "instance.tags.x.y": "z",
                "instance.security_groups": "one,two",
                "instance.interfaces[0].ipv6s": "2600:1f18::17",
                "metadata_options.http_put_response_hop_limit": "2",
                "metadata.meta-data/own.leaf": "x",
                "identity": "per-container",
                "instance.hibernation_configured": True,
            },
        )
    )
    instance = config.instance
    assert (instance.region, instance.role, instance.public_ipv4) == ("eu-west-1", None, None)
    assert instance.tags == {"a": "b", "c": "d", "x.y": "z"}
    assert instance.security_groups == ("one", "two")
    assert instance.interfaces[0].ipv6s == ("2600:1f18::17",)
    assert config.metadata_options.http_put_response_hop_limit == 2
    assert config.metadata == {"meta-data/own.leaf": "x"}
    assert (config.identity, instance.hibernation_configured) == ("per-container", True)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("instance.regoin", "x", "unknown setting instance.regoin; did you mean instance.region?"),
        ("region", "x", "unknown setting region; did you mean instance.region?"),
        ("instance.region.x", "y", "unknown setting instance.region.x; did you mean instance.region?"),
        ("qqqq", "x", "unknown setting qqqq"),
        ("instance.interfaces[7].mac", "x", "expected an index from 0 to 0"),
        ("instance.tags", "Name", "expected key=value,key=value or a YAML mapping, got 'Name'"),
        ("instance.interfaces", "[{", "is not valid YAML"),
    ],
)
def test_what_cannot_be_set_names_the_key(key: str, value: str, sentence: str) -> None:
    with pytest.raises(FieldError) as raised:
        assigned(document_of(Config()), {key: value})
    assert [each.field for each in raised.value.problems] == [key]
    assert sentence in str(raised.value)


@given(st.sampled_from(sorted(map(dotted, key_types()))), st.text(max_size=6) | st.none() | st.integers())
def test_any_setting_can_be_set_to_any_value_or_is_named(key: str, value: Any) -> None:
    document = document_of(Config())
    try:
        assert assigned(document, {key: value}) is document
    except FieldError as error:
        named = {each.field for each in error.problems}
    else:
        named = {key}
    assert named == {key}


keys = st.lists(
    st.sampled_from(
        ["instance", "interfaces", "tags", "metadata", "user_data", "variants", "aemm", "mac", "[0]", "[99]", ".", ""]
    )
    | st.text(max_size=3),
    max_size=4,
).map(".".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(keys, values, max_size=3))
def test_any_keys_and_values_are_taken_or_named(settings: dict[str, Any]) -> None:
    document = document_of(Config())
    try:
        from_document(assigned(document, settings))
        assert all(at_key(document, key) is not None or value is None for key, value in settings.items())
    except (FieldError, ConfigError) as error:
        said = str(error)
    else:
        said = "nothing wrong"
    assert said


def test_every_key_can_be_read_back() -> None:
    document = document_of(Config())
    for path in known_keys(Config):
        assert at_key(document, dotted(path)) == at_key(msgspec.to_builtins(Config()), dotted(path))


def test_a_null_that_restores_another_value_is_said() -> None:
    def notes(patch: dict[str, Any]) -> list[str]:
        after = document_of(from_document(merge_patch(document_of(Config()), patch)))
        return list(null_defaults(patch, after))

    assert notes({"instance": {"role": None}})[0].startswith(
        'instance.role: null in a merge patch restores the default "my-role"; to set null (none), use '
        "`imds-mock ctl config set instance.role=null`"
    )
    assert len(notes({"instance": {"role": None, "public_ipv4": None}})) == 2
    # Null and the default are the same, or null is no value, or a key of a mapping is removed.
    assert notes({"instance": {"region": None, "instance_type": None, "tags": {"Name": None}}}) == []
    assert notes({"instance": None, "metadata": {"meta-data/x": None}}) == []


HUSH = "wJalrXUtnFEMI/K7MDENG-bPxRfiCY"


@pytest.fixture
def mock(signer: Signer) -> Iterator[HeldMock]:
    held = HeldMock(signer, {"instance": {"tags": {"Name": "web"}}})
    yield held
    held.close()


# RFC 7396, appendix A, where both are objects.
@pytest.mark.parametrize(
    ("document", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_patch_is_applied(document: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge_patch(document, patch) == merged


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        ({"nothing": None}, ["nothing"]),
        ({"instance": {"regoin": None}}, ["instance.regoin"]),
        ({"instance": {"managed_ssh_keys": {"x": None}}, "y": None}, ["instance.managed_ssh_keys.x", "y"]),
        ({"control": {HUSH: None}}, ["control"]),
        ({"credentials": {"sesion_token": None}}, ["credentials.sesion_token"]),
    ],
)
def test_null_at_an_unknown_key_is_refused(mock: HeldMock, patch: dict[str, Any], fields: list[str]) -> None:
    reply = mock.call("PATCH", "/v1/config", patch)
    assert reply.status == 422
    assert [error["field"] for error in reply.json["errors"]] == fields
    assert HUSH not in reply.body.decode()
    assert "unknown key" in reply.json["detail"]


def test_null_at_an_unknown_metadata_option_is_refused(mock: HeldMock) -> None:
    reply = mock.call("PATCH", "/v1/metadata-options", {"htp_tokens": None})
    assert (reply.status, reply.json["errors"][0]["field"]) == (422, "metadata_options.htp_tokens")
    assert "did you mean" in reply.json["detail"]


def test_null_gives_a_setting_its_default_and_takes_a_key_out_of_a_mapping(mock: HeldMock) -> None:
    changed = mock.call("PATCH", "/v1/config", {"instance": {"tags": {"Name": None, "other": None}, "role": None}})
    assert (changed.status, changed.json["instance"]["tags"], changed.json["instance"]["role"]) == (200, {}, "my-role")
