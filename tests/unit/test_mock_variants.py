"""Variants: whom they match, what they lay over the configuration, and how what is wrong in one is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.build.loading import document_of, from_document, load
from imds_mock.callers.caller import Caller
from imds_mock.callers.variant_matching import matching_variants, needs_names
from imds_mock.config.errors import ConfigError
from imds_mock.config.variants import effective
from imds_mock.control.credential_masks import MASK
from imds_mock.control.secrets import masked, unmasked

if TYPE_CHECKING:
    from pathlib import Path

APP = Caller("proj-app-1", ("172.18.0.3",), "proj-app-1", "app", 1, ("proj_back",))
UNNAMED = Caller("169.254.7.7", ("169.254.7.7",))


def variants(*given: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"variants": list(given), **others}


@pytest.mark.parametrize(
    ("match", "caller", "holds"),
    [
        ({"service": "app"}, APP, True),
        ({"service": "proj-app-1"}, APP, True),
        ({"service": "ap"}, APP, False),
        ({"service": "app"}, UNNAMED, False),
        ({"name": "proj-app-*"}, APP, True),
        ({"name": "proj-app-?"}, APP, True),
        ({"name": "app"}, APP, False),
        ({"name": "*"}, UNNAMED, False),
        ({"address": "172.18.0.3"}, APP, True),
        ({"address": "169.254.7.7"}, UNNAMED, True),
        ({"address": "169.254.7.8"}, UNNAMED, False),
        ({"network": "proj_back"}, APP, True),
        ({"network": "back"}, APP, True),
        ({"network": "ack"}, APP, False),
        ({"network": "172.18.0.0/16"}, APP, True),
        ({"network": "169.254.0.0/16"}, UNNAMED, True),
        ({"network": "fd00::/8"}, APP, False),
        ({"service": "app", "network": "back"}, APP, True),
        ({"service": "app", "network": "front"}, APP, False),
    ],
)
def test_all_conditions_of_a_match_must_hold(match: dict[str, str], caller: Caller, holds: bool) -> None:  # noqa: FBT001 - a row of a table
    assert matching_variants(from_document(variants({"match": match})), caller) == ((0,) if holds else ())


def test_names_matter_only_where_something_depends_on_them() -> None:
    by_address = variants({"match": {"address": "10.0.0.1"}}, {"match": {"network": "10.0.0.0/8"}})
    assert not needs_names(from_document({}))
    assert not needs_names(from_document(by_address))
    assert needs_names(from_document({"identity": "per-container"}))
    for match in ({"service": "a"}, {"name": "a"}, {"network": "a"}):
        assert needs_names(from_document(variants({"match": match})))


def test_of_several_that_match_the_later_one_wins() -> None:
    config = from_document(
        variants(
            {"match": {"service": "app"}, "instance": {"role": "first", "tags": {"a": "1"}}},
            {"match": {"name": "proj-*"}, "instance": {"role": "second", "tags": {"b": "2"}}},
        )
    )
    instance = effective(config, matching_variants(config, APP)).instance
    assert (instance.role, instance.tags) == ("second", {"Name": "my-instance", "a": "1", "b": "2"})


def test_null_means_what_it_means_in_a_file() -> None:
    config = from_document(
        variants({"match": {"service": "app"}, "instance": {"role": None, "public_ipv4": None, "tags": {"Name": None}}})
    )
    instance = effective(config, (0,)).instance
    assert (instance.role, instance.public_ipv4, instance.tags) == (None, None, {})


def test_every_section_can_differ() -> None:
    config = from_document(
        variants(
            {
                "match": {"service": "app"},
                "metadata_options": {"http_tokens": "required"},
                "credentials": {"seed": "other"},
                "metadata": {"meta-data": {"placement": {"group-name": "mine"}}},
            },
            metadata={"meta-data/placement/group-name": "all", "meta-data/ami-id": "ami-00000000"},
        )
    )
    whole = effective(config, (0,))
    assert whole.metadata_options.http_tokens == "required"
    assert whole.credentials.seed == "other"
    assert whole.metadata == {"meta-data/ami-id": "ami-00000000", "meta-data/placement/group-name": "mine"}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            variants({"match": {"service": "a"}}, {"match": {"service": "b"}, "instance": {"role": "no good"}}),
            "variants[1].instance.role: expected a name of letters, digits and +=,.@_- or null, got 'no good'",
        ),
        (variants({"match": {"service": "a"}, "instance": {"rol": "x"}}), "variants[0].instance.rol: unknown key"),
        (variants({"match": {"servce": "a"}}), "variants[0].match.servce: unknown key; did you mean"),
        (variants({"match": {}}), "variants[0].match: expected a service, name, address or network"),
        (variants({"match": {"address": "app"}}), "variants[0].match.address: expected an IP address such as"),
        (
            variants({"match": {"network": "10.0.0.1/8"}}),
            "variants[0].match.network: expected a network's name or a block",
        ),
        (variants({"match": {"service": "a"}, "metadata": {"foo": 1}}), "variants[0].metadata.foo: expected a path"),
        (
            variants(
                {"match": {"service": "a"}, "instance": {"availability_zone": "us-east-1a"}},
                instance={"region": "eu-west-1"},
            ),
            "variants[0].instance.availability_zone: us-east-1a is not in the region eu-west-1",
        ),
        (
            variants({"match": {"service": "a"}, "credentials": {"source": "static"}}),
            "variants[0]: with it, credentials.access_key_id: is required",
        ),
        (
            variants(
                {"match": {"service": "a"}, "instance": {"region": "us-east-1"}},
                {"match": {"name": "x*"}, "instance": {"availability_zone": "eu-west-1a"}},
            ),
            "variants[1].instance.availability_zone: eu-west-1a is not in the region us-east-1 (where variants[0]",
        ),
        (variants(compatibility="aemm", identity="per-container"), "identity: compatibility aemm has one instance"),
        (variants({"match": {"service": "a"}}, compatibility="aemm"), "variants: compatibility aemm has one instance"),
        (
            {"callers": {"name_server": "127.0.0.300"}},
            "callers.name_server: expected an address such as 127.0.0.11:53 or null, got '",
        ),
        ({"callers": {"name_server": "127.0.0.11:99999"}}, "callers.name_server: expected an address such as"),
        ({"callers": {"name_server": "[::1]:0"}}, "callers.name_server: expected an address such as"),
        ({"callers": {"name_server": "engine"}}, "callers.name_server: expected an address such as 127.0.0.11:53"),
    ],
)
def test_what_is_wrong_names_its_key(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_document(document)
    assert sentence in str(error.value)


def test_variants_that_never_meet_may_contradict_each_other() -> None:
    from_document(
        variants(
            {"match": {"service": "a"}, "instance": {"region": "us-east-1"}},
            {"match": {"service": "b"}, "instance": {"availability_zone": "eu-west-1a"}},
        )
    )


def test_user_data_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "app.sh").write_text("#!/bin/sh\n")
    (tmp_path / "mock.yaml").write_text(
        "identity: per-container\nvariants:\n- match: {service: app}\n  instance: {user_data: {file: app.sh}}\n"
    )
    config = load({}, {}, tmp_path / "mock.yaml")
    assert config.identity == "per-container"
    assert config.variants[0].instance["user_data"] == {"base64": "IyEvYmluL3NoCg=="}


def test_variables_say_it_too() -> None:
    config = load({}, {"IMDS_MOCK_IDENTITY": "per-container", "IMDS_MOCK_VARIANTS": "[{match: {service: a}}]"}, None)
    assert (config.identity, config.variants[0].match.service) == ("per-container", "a")
    block = load({}, {"IMDS_MOCK_VARIANTS": "- match: {service: a}\n  instance: {role: b}\n"}, None)
    assert block.variants[0].instance == {"role": "b"}


def test_secrets_of_a_variant_are_never_shown() -> None:
    keys = {"source": "static", "access_key_id": "AKIA", "secret_access_key": "hidden", "session_token": "hidden"}
    config = from_document(variants({"match": {"service": "a"}, "credentials": keys}))
    shown = masked(document_of(config))
    assert shown["variants"][0]["credentials"]["secret_access_key"] == MASK
    assert "hidden" not in repr(shown) + repr(config)
    assert unmasked(shown, document_of(config)).document == document_of(config)
