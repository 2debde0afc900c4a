"""What a container may announce in MOCK_INSTANCE: the words, the bounds, and the one sentence about what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imds_mock.build.loading import from_document
from imds_mock.config.announced import parse_facts, policy, require_name, with_facts
from imds_mock.config.errors import ConfigError
from imds_mock.config.facts import InstanceSettings
from imds_mock.config.settings import Config

STATIC = {"source": "static", "access_key_id": "AKIA", "secret_access_key": "s", "session_token": "t"}


def instance_of(text: str, document: dict[str, Any] | None = None) -> InstanceSettings:
    """The instance of a caller that announces a text."""
    config = from_document(document or {})
    return with_facts(config, parse_facts(text), config).instance


def refusal(text: str, document: dict[str, Any] | None = None) -> str:
    """The sentence about a text that is refused."""
    with pytest.raises(ConfigError) as caught:
        instance_of(text, document)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "role=worker-role,instance_life_cycle=spot,tags.Name=worker",
            {"role": "worker-role", "instance_life_cycle": "spot", "tags": {"Name": "worker"}},
        ),
        (' role = a , tags.Note="one, two" ,instance_type=c7g.large', None),
        ('{"role": "worker-role", "tags": {"Name": "worker"}}', {"role": "worker-role", "tags": {"Name": "worker"}}),
        ("tags.kubernetes.io/cluster/a=owned", {"tags": {"kubernetes.io/cluster/a": "owned"}}),
        ("tags=Name=worker", {"tags": {"Name": "worker"}}),
        ("user_data='#!/bin/sh\necho \"hello\", again'", {"user_data": '#!/bin/sh\necho "hello", again'}),
        ("user_data.base64=aGk=", {"user_data": {"base64": "aGk="}}),
        ('security_groups="web,db"', {"security_groups": ["web", "db"]}),
        ("role=null", {"role": None}),
        ('user_data="null"', {"user_data": "null"}),
        ("role=", {"role": ""}),
        ("", {}),
    ],
)
def test_the_words_of_the_configuration(text: str, facts: dict[str, Any] | None) -> None:
    expected = {"role": "a", "tags": {"Note": "one, two"}, "instance_type": "c7g.large"} if facts is None else facts
    assert parse_facts(text) == expected


def test_facts_are_converted_and_lie_over_the_configuration() -> None:
    document = {"instance": {"region": "eu-west-1", "tags": {"Name": "shared", "Team": "a"}}}
    own = instance_of('hibernation_configured=true,ami_launch_index=3,tags.Name=own,security_groups="a,b"', document)
    assert (own.region, own.hibernation_configured, own.ami_launch_index) == ("eu-west-1", True, 3)
    assert own.tags == {"Name": "own", "Team": "a"}
    assert own.security_groups == ("a", "b")


def test_null_removes_a_tag() -> None:
    assert instance_of("tags.Name=null").tags == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rol=x", "MOCK_INSTANCE: rol: unknown key; did you mean role?"),
        ("role", "MOCK_INSTANCE: expected key=value,key=value or a JSON object, got 'role'"),
        ("tags.a=one, two", "MOCK_INSTANCE: expected key=value,key=value or a JSON object, got 'two'"),
        ('role="a', "MOCK_INSTANCE: role: expected a closing quotation mark"),
        ('role="a"b', "MOCK_INSTANCE: role: expected a closing quotation mark"),
        ("role=a,role=b", "MOCK_INSTANCE: the key 'role' is given twice"),
        ("a." * 4000 + "a=1", "MOCK_INSTANCE: is nested too deeply, in more than 64 levels"),
        ("user_data." * 800 + "a=1", "MOCK_INSTANCE: is nested too deeply, in more than 64 levels"),
        ("user_data=a,user_data.base64=aGk=", "MOCK_INSTANCE: the key 'user_data.base64' is given twice"),
        (
            "instance_type=large",
            "MOCK_INSTANCE: instance_type: expected an instance type such as m5.large, got 'large'",
        ),
        ("instance_life_cycle=spott", "did you mean spot?"),
        (
            "role=Wörker",
            "MOCK_INSTANCE: role: expected a name of letters, digits and +=,.@_- or null, got 'W\\xf6rker'",
        ),
        ('{"role": 1,}', "MOCK_INSTANCE: is not valid JSON"),
        ('{"role": "a", "role": "b"}', "MOCK_INSTANCE: the key 'role' appears twice"),
        (json.dumps({"interfaces": [{}] * 17}), "MOCK_INSTANCE: interfaces: expected at most 16 items, got 17"),
        (json.dumps({"tags": dict.fromkeys(map(str, range(65)), "")}), "tags: expected at most 64 keys, got 65"),
        ("user_data.file=/etc/passwd", "user_data.file: cannot be announced, because it names a file"),
    ],
)
def test_a_wrong_word_has_one_clear_sentence(text: str, sentence: str) -> None:
    assert sentence in refusal(text)


@pytest.mark.parametrize("text", ["tags=" + "x" * 8000, "tags.{0}=a,tags.{0}=b".format("k" * 4000)])
def test_a_sentence_repeats_no_long_text(text: str) -> None:
    assert len(refusal(text)) < 250


def test_an_unknown_word_is_answered_with_all_known_ones() -> None:
    known = refusal("xyzzy=1").partition("the known ones are ")[2].split(", ")
    assert known == list(InstanceSettings.__struct_fields__)


@pytest.mark.parametrize("name", ["worker-1", "web.default_a", "0a"])
def test_a_name_is_a_target(name: str) -> None:
    require_name(name)


@pytest.mark.parametrize("name", ["", "-a", "10.0.0.1", "a b", "a/b", "a\n", "a" * 254, "fd00::1"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="MOCK_INSTANCE_NAME"):
        require_name(name)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, "any"),
        ({"credentials": STATIC}, "named"),
        ({"credentials": {"source": "assume-role"}}, "named"),
        ({"credentials": {"source": "profile"}}, "named"),
        ({"variants": [{"match": {"service": "web"}, "credentials": STATIC}]}, "named"),
        ({"credentials": STATIC, "callers": {"announced": "any"}}, "any"),
        ({"callers": {"announced": "named"}}, "named"),
        ({"callers": {"announced": "off"}}, "off"),
    ],
)
def test_working_credentials_limit_what_may_be_announced(document: dict[str, Any], expected: str) -> None:
    assert policy(from_document(document)) == expected


@pytest.mark.parametrize(
    "fact", ["role=other", "account_id=210987654321", "region=eu-west-1", "availability_zone=us-east-1b"]
)
def test_named_refuses_what_the_configuration_does_not_name(fact: str) -> None:
    document = {"credentials": {"source": "assume-role"}}
    assert "expected a value from the mock's configuration" in refusal(fact, document)
    key, _, value = fact.partition("=")
    document["variants"] = [{"match": {"service": "web"}, "instance": {key: value}}]  # type: ignore[assignment]
    assert getattr(instance_of(fact, document), key) == value


def test_named_gives_roles_of_the_configuration_and_all_other_facts() -> None:
    document = {
        "credentials": {"source": "assume-role"},
        "variants": [{"match": {"name": "a"}, "instance": {"role": "b"}}],
    }
    own = instance_of("role=b,instance_life_cycle=spot,tags.Name=x", document)
    assert (own.role, own.instance_life_cycle, own.tags["Name"]) == ("b", "spot", "x")
    assert instance_of("role=my-role", document).role == "my-role"
    assert instance_of("role=null", document).role is None


def test_a_role_that_a_matching_variant_hides_is_still_named() -> None:
    whole = from_document(
        {"callers": {"announced": "named"}, "variants": [{"match": {"name": "a"}, "instance": {"role": "b"}}]}
    )
    matched = from_document({"instance": {"role": "b"}})
    assert with_facts(matched, {"role": "my-role"}, whole).instance.role == "my-role"


def test_nothing_announced_changes_nothing() -> None:
    assert with_facts(Config(), {}, Config()).instance == Config().instance
