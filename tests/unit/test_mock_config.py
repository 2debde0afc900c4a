"""The configuration: four sources, one schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.build.loading import document_of, load
from imds_mock.config.errors import dotted
from imds_mock.config.marks import known_keys
from imds_mock.config.settings import Config
from imds_mock.config.sources import RESERVED, SHORT_SECTIONS, key_types, variables
from support.configurations import NO_FLAGS, written

if TYPE_CHECKING:
    from pathlib import Path


def test_without_any_source_there_are_defaults() -> None:
    config = load(NO_FLAGS, {}, None)
    assert config == Config()
    assert config.instance.instance_id == "i-1234567890abcdef0"
    assert config.metadata_options.http_tokens == "optional"


def test_later_sources_win(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "server: {port: 1, head_timeout_seconds: 9}\n"
        "metadata_options: {http_tokens: required}\n"
        "instance: {tags: {a: b}, region: eu-west-1}\n",
    )
    environ = {"IMDS_MOCK_PORT": "2", "IMDS_MOCK_REGION": "eu-west-2"}
    config = load({"server.port": "3"}, environ, file)
    assert config.server.port == 3
    assert config.server.head_timeout_seconds == 9
    assert config.instance.region == "eu-west-2"
    assert config.metadata_options.http_tokens == "required"
    assert config.instance.tags == {"a": "b"}
    assert load(NO_FLAGS, environ, file).server.port == 2
    assert load(NO_FLAGS, {}, file).server.port == 1


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = written(tmp_path, '{"server": {"port": 4}}', "mock.json")
    assert load(NO_FLAGS, {"IMDS_MOCK_CONFIG": str(file)}, None).server.port == 4
    other = written(tmp_path, "server: {port: 5}")
    assert load(NO_FLAGS, {"IMDS_MOCK_CONFIG": str(file)}, other).server.port == 5


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "instance: {}\n", "x-mine: &a [1]\nversions: \n"])
def test_a_file_may_say_little(tmp_path: Path, text: str) -> None:
    assert load(NO_FLAGS, {}, written(tmp_path, text)) == Config()


def test_yaml_scalars_are_what_was_written(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        x-keys: &tags {On: no, Version: 1.10, Since: 2024-01-01, Octal: 0123}
        instance:
          account_id: 012345678901
          hibernation_configured: true
          ami_launch_index: 3
          role: ~
          tags:
            <<: *tags
            Null: "null"
        metadata:
          meta-data/own: 1_000
        """,
    )
    config = load(NO_FLAGS, {}, file)
    assert config.instance.account_id == "012345678901"
    assert config.instance.hibernation_configured is True
    assert config.instance.ami_launch_index == 3
    assert config.instance.role is None
    assert config.instance.tags == {
        "On": "no",
        "Version": "1.10",
        "Since": "2024-01-01",
        "Octal": "0123",
        "Null": "null",
    }
    assert config.metadata == {"meta-data/own": "1_000"}


def test_values_of_variables() -> None:
    environ = {
        "IMDS_MOCK_HOSTS": "127.0.0.1, ::1",
        "IMDS_MOCK_SECURITY_GROUPS": '["a, b", c]',
        "IMDS_MOCK_TAGS": "Name=x=y,Empty=",
        "IMDS_MOCK_BLOCK_DEVICES": "{ebs1: sdb}",
        "IMDS_MOCK_INTERFACES": "[{mac: '0a:00:00:00:00:01'}, {}]",
        "IMDS_MOCK_MANAGED_SSH_KEYS": "signer_cert: x",
        "IMDS_MOCK_ROLE": "null",
        "IMDS_MOCK_PUBLIC_IPV4": "null",
        "IMDS_MOCK_USER_DATA": "[not, yaml]",
        "IMDS_MOCK_HTTP_TOKENS": "required",
        "IMDS_MOCK_HTTP_PUT_RESPONSE_HOP_LIMIT": "2",
        "IMDS_MOCK_HIBERNATION_CONFIGURED": "true",
        "IMDS_MOCK_CREDENTIALS_EXTENDED": "1",
        "IMDS_MOCK_METADATA": "{meta-data/own: x}",
        "IMDS_MOCK_REGION": "",
        "UNRELATED": "x",
    }
    config = load(NO_FLAGS, environ, None)
    instance = config.instance
    assert config.server.hosts == ("127.0.0.1", "::1")
    assert instance.security_groups == ("a, b", "c")
    assert instance.tags == {"Name": "x=y", "Empty": ""}
    assert instance.block_devices == {"ebs1": "sdb"}
    assert [interface.mac for interface in instance.interfaces] == ["0a:00:00:00:00:01", None]
    assert instance.managed_ssh_keys.signer_cert == "x"
    assert (instance.role, instance.public_ipv4, instance.region) == (None, None, None)
    assert instance.user_data == "[not, yaml]"
    assert config.metadata_options.http_put_response_hop_limit == 2
    assert config.credentials.extended is True
    assert config.metadata == {"meta-data/own": "x"}


def test_variables_that_kubernetes_sets_for_a_service_of_this_name_are_none_of_ours() -> None:
    environ = {
        "IMDS_MOCK_SERVICE_HOST": "10.96.0.1",
        "IMDS_MOCK_SERVICE_PORT": "80",
        "IMDS_MOCK_SERVICE_PORT_HTTP": "80",
        "IMDS_MOCK_PORT": "tcp://10.96.0.1:80",
        "IMDS_MOCK_PORT_80_TCP": "tcp://10.96.0.1:80",
        "IMDS_MOCK_PORT_80_TCP_ADDR": "10.96.0.1",
    }
    assert load(NO_FLAGS, environ, None) == Config()


def test_every_setting_has_a_variable_of_its_own() -> None:
    names = variables()
    assert len(names) == len(key_types())
    assert not RESERVED & set(names)
    for name, path in names.items():
        parts = path[1:] if path[0] in SHORT_SECTIONS else path
        assert name == "IMDS_MOCK_" + "_".join(map(str, parts)).upper()


def test_a_user_data_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\x00\x01")
    config = load(NO_FLAGS, {}, written(tmp_path, "instance: {user_data: {file: data}}"))
    assert document_of(config)["instance"]["user_data"] == {"base64": "AAE=", "file": None}


def test_known_keys_and_their_paths() -> None:
    keys = {dotted(path) for path in known_keys(Config)}
    assert {"server", "server.port", "instance.managed_ssh_keys.signer_cert", "metadata"} <= keys
    assert dotted(("instance", "interfaces", 0, "mac")) == "instance.interfaces[0].mac"
