"""Mistakes in a configuration: each is named with its source and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.build.loading import load
from imds_mock.config.errors import ConfigError
from support.configurations import NO_FLAGS, message, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("instance: {regin: x}", "instance.regin: unknown key; did you mean instance.region?"),
        ("region: us-east-1", "region: unknown key; did you mean instance.region?"),
        ("http_token: required", "http_token: unknown key; did you mean metadata_options.http_tokens?"),
        ("qqqq: 1", "qqqq: unknown key; the keys here are server, "),
        ("signing: {qqqq: 1}", "signing.qqqq: unknown key; the keys here are key_directory"),
        ("instance: {interfaces: [{mac: zz}]}", "instance.interfaces[0].mac: expected a MAC address such as 0a:1b:"),
        ("instance: {interfaces: [{}, {macc: x}]}", "interfaces[1].macc: unknown key; did you mean instance.interf"),
        ("instance: {interfaces: {}}", "instance.interfaces: expected a list, each a mapping with mac, "),
        ("instance: {tags: [a]}", "instance.tags: expected a mapping of text to text, got a list"),
        ("instance: {tags: {a: [b]}}", "instance.tags.a: expected text, got a list"),
        ("instance: {block_devices: {hda: x}}", "instance.block_devices.hda: expected ebsN, ephemeralN or swap"),
        ("instance: {account_id: 12}", "instance.account_id: expected an account id of 12 digits"),
        ("instance: {instance_id: i-1}", "instance.instance_id: expected an instance id such as i-0123456789abcdef0"),
        (
            "instance: {instance_life_cycle: spt}",
            "expected on-demand or spot or scheduled or capacity-block, got 'spt'",
        ),
        ("instance: {hibernation_configured: maybe}", "instance.hibernation_configured: expected true or false"),
        (
            "instance: {public_keys: [{name: k}]}",
            "instance.public_keys[0].openssh_key: is missing; expected a public key",
        ),
        ("server:\n", "server: expected a mapping with hosts"),
        ("instance: 3", "instance: expected a mapping with instance_id, "),
        ("server: {port: 99999}", "server.port: expected a port number from 0 to 65535, got '99999'"),
        ("server: {port: null}", "server.port: expected a port number from 0 to 65535, got null"),
        ("server: {head_timeout_seconds: nan}", "server.head_timeout_seconds: expected a number of seconds above 0"),
        ("metadata_options: {http_put_response_hop_limit: 65}", "expected a hop limit from 1 to 64 or null, got '65'"),
        ("versions: [x]", "versions[0]: expected a metadata version such as 2021-03-23, got 'x'"),
        ("credentials: {secret_access_key: {}}", "credentials.secret_access_key: expected one line of text or null, g"),
        ("metadata: [x]", "metadata: expected a mapping, got a list"),
        ("metadata: {mata-data/x: y}", "metadata.mata-data/x: expected a path that begins with meta-data"),
        (f"metadata: {{meta-data: {'{a: ' * 100}1{'}' * 100}}}", "is nested too deeply, in more than 64 levels"),
        ("metadata: &a {meta-data: *a}", "the alias *a is inside the value that it names"),
        ("[a, b]", "expected a mapping with server, "),
        ("just text", "expected a mapping with server, "),
        ("1: 2", "1: unknown key"),
        (
            "metadata_options: {instance_metadata_tags: enabled}\ninstance: {tags: {a b: c}}",
            "instance.tags.a b: with instance_metadata_tags, expected a key of 1 to 128 letters, digits",
        ),
        (
            "metadata_options: {instance_metadata_tags: enabled}\ninstance: {tags: {_index: c}}",
            "instance.tags._index: with instance_metadata_tags, expected a key",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    file = written(tmp_path, text)
    text = message(file)
    assert text.startswith(f"{file}: ")
    assert sentence in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", ":2:1: is not valid YAML: unexpected text; check indentation, brackets and commas"),
        ("server: {port: 80, port: 81}", ":1:20: is not valid YAML: the key 'port' appears twice in one mapping"),
        ("[1]: 2", ": is not valid YAML: "),
        ("? {}\n: 2", ": is not valid YAML: "),
        (
            "!!python/object:os.system x",
            ": is not valid YAML: the tag tag:yaml.org,2002:python/object:os.system is not supported",
        ),
        ("a: !!int x", ": is not valid YAML: "),
        ("--- a\n--- b", ": is not valid YAML: a second document begins here"),
        ("a: \x00", ": is not valid YAML: "),
        ("*x", ": is not valid YAML: this alias has no anchor"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    file = written(tmp_path, text)
    text = message(file)
    assert text.startswith(str(file))
    assert sentence in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", ": is not valid JSON: it ends too early, at line 1, column 2; check"),
        ('{"server": {"port": 1, "port": 2}}', ": the key 'port' appears twice in one mapping; write it once"),
        ("[" * 100_000, ": is nested too deeply, in more than 64 levels"),
        ('{"instance": {"account_id": 123456789012}}', "instance.account_id: expected an account id of 12 digits"),
        ('{"instance": {"hibernation_configured": 3}}', "instance.hibernation_configured: expected true or false, got"),
    ],
)
def test_json_files(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in message(written(tmp_path, text, "mock.json"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert message(tmp_path / "none.yaml") == f"{tmp_path}/none.yaml: cannot be read: No such file or directory"
    assert message(tmp_path).endswith("cannot be read: Is a directory")
    (tmp_path / "latin").write_bytes(b"a: \xe9")
    assert "is not UTF-8 text: unexpected end of data at byte 3; save it as UTF-8" in message(tmp_path / "latin")


def test_a_variable_is_named() -> None:
    assert message(None, {"IMDS_MOCK_PORT": "x"}).startswith("IMDS_MOCK_PORT: server.port: expected a port number")
    # The prefix that all variables share makes no variable like another.
    assert message(None, {"IMDS_MOCK_FOO_BAR_BAZ": "1"}).startswith("unknown setting IMDS_MOCK_FOO_BAR_BAZ; ")
    assert "did you mean" not in message(None, {"IMDS_MOCK_FOO_BAR_BAZ": "1"})
    assert message(None, {"IMDS_MOCK_REGON": "x"}) == "unknown setting IMDS_MOCK_REGON; did you mean IMDS_MOCK_REGION?"
    assert message(None, {"IMDS_MOCK_TAGS": "{"}).startswith("IMDS_MOCK_TAGS:2:1: is not valid YAML")
    contradiction = message(None, {"IMDS_MOCK_REGION": "eu-west-1", "IMDS_MOCK_AVAILABILITY_ZONE": "us-east-1a"})
    assert contradiction.startswith("IMDS_MOCK_AVAILABILITY_ZONE: instance.availability_zone: us-east-1a is not in")


def test_the_source_of_the_wrong_value_is_named_and_not_that_of_its_neighbours(tmp_path: Path) -> None:
    file = written(tmp_path, "server: {port: x}\ninstance: {tags: {}}")
    assert message(file, {"IMDS_MOCK_HOSTS": "::1"}).startswith(f"{file}: server.port")
    assert message(file, {"IMDS_MOCK_PORT": "y"}).startswith("IMDS_MOCK_PORT: server.port")
    assert message(file, {"IMDS_MOCK_PORT": "y"}, server__port="z").startswith("command line: server.port")
    assert load(NO_FLAGS, {"IMDS_MOCK_PORT": "80"}, file).server.port == 80


def test_flags_are_named() -> None:
    assert message(server__port="x").startswith("command line: server.port: expected a port number")
    assert message(server__prt="x") == "command line: unknown setting server.prt; did you mean server.port?"
    assert message(region="x") == "command line: unknown setting region; did you mean instance.region?"


RENAMED = "renamed to compatibility in 0.2.0; write compatibility: aemm"


def test_a_renamed_key_is_refused_with_its_new_name(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("profile: aemm\nprofiles: [{match: {service: a}}]\n")
    assert refused(lambda: load({}, {}, file)) == [
        f"{file}: profile: {RENAMED}",
        f"{file}: profiles: renamed to variants in 0.2.0; write variants",
    ]


def test_a_renamed_variable_or_flag_is_refused_with_its_new_name() -> None:
    assert refused(lambda: load({}, {"IMDS_MOCK_PROFILE": "aemm", "IMDS_MOCK_PROFILES": "[{match: x}]"}, None)) == [
        "IMDS_MOCK_PROFILE: renamed to IMDS_MOCK_COMPATIBILITY in 0.2.0; write IMDS_MOCK_COMPATIBILITY=aemm",
        "IMDS_MOCK_PROFILES: renamed to IMDS_MOCK_VARIANTS in 0.2.0; write IMDS_MOCK_VARIANTS",
    ]
    assert refused(lambda: load({"profile": "aemm", "profiles": "[{match: x}]"}, {}, None)) == [
        "command line: profile: renamed to compatibility in 0.2.0; write compatibility=aemm",
        "command line: profiles: renamed to variants in 0.2.0; write variants",
    ]


def refused(read: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read()
    assert error.value.exit_code == 78
    return [problem.sentence for problem in error.value.problems]
