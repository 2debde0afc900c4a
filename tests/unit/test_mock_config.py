"""The configuration: four sources, one schema, and a line about each problem."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imds_mock import control_socket
from imds_mock.build.loading import document_of, from_document, load
from imds_mock.cli import main
from imds_mock.commands import certs
from imds_mock.config.errors import ConfigError, dotted
from imds_mock.config.marks import known_keys
from imds_mock.config.schema import json_schema
from imds_mock.config.settings import Config
from imds_mock.config.sources import RESERVED, SHORT_SECTIONS, key_types, merge, variables
from imds_mock.control.secrets import SECRET_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO_FLAGS: dict[str, object] = {}


def written(folder: Path, text: str, name: str = "mock.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def message(file: Path | None = None, environ: dict[str, str] | None = None, **flags: object) -> str:
    with pytest.raises(ConfigError) as raised:
        load({key.replace("__", "."): value for key, value in flags.items()}, environ or {}, file)
    text = str(raised.value)
    assert "\n" not in text
    assert raised.value.exit_code == 78
    return text


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
    assert "is not UTF-8 text: unexpected end of data at byte 3" in message(tmp_path / "latin")


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


def test_secrets_are_not_repeated() -> None:
    for section, key in SECRET_KEYS:
        if section != "aemm":
            with pytest.raises(ConfigError) as raised:
                from_document({section: {key: ["hush"]}})
            assert f"{section}.{key}: expected" in str(raised.value)
            assert "hush" not in str(raised.value)
    assert "hush" not in message(None, {"IMDS_MOCK_CREDENTIALS_SESSION_TOKEN": "hush\nhush"})


HUSH = "wJalrXUtnFEMI/K7MDENG-bPxRfiCY"


@pytest.mark.parametrize(
    "text",
    [
        f"credentials: {{{HUSH}: x}}",
        f"control: {{{HUSH}: }}",
        f"{HUSH}: x",
        f"instance: {{{HUSH}: x}}",
        f"control: {HUSH}",
        f"aemm: {HUSH}",
        f"credentials: {{endpoint_url: 'http://user:{HUSH}@sts'}}",
        f"credentials: {{endpoint_url: 'user:{HUSH}@sts'}}",
        f"credentials: {{endpoint_url: 'http://sts/?key={HUSH}'}}",
        f"credentials: {{source: {HUSH}}}",
        f"credentials: {{role_arn: {HUSH}}}",
        f"credentials: {{duration_seconds: {HUSH}}}",
        f"eks: {{token: {{a: {HUSH}}}}}",
        f"variants: [{{match: {{service: a}}, credentials: {HUSH}}}]",
        f"variants: [{{match: {{service: a}}, credentials: {{{HUSH}: x}}}}]",
        f"variants: [{{match: {{service: a}}, credentials: {{endpoint_url: 'http://u:{HUSH}@h'}}}}]",
        f"variants: [{{match: {{service: a}}, {HUSH}: x}}]",
        f"metadata: {{meta-data/iam/security-credentials/r: {{$text: x, {HUSH}: y}}}}",
        f"metadata: {{meta-data/iam/security-credentials/r: {{$json: '{HUSH}'}}}}",
        f"metadata: {{meta-data/iam/security-credentials/r: {{$base64: '{HUSH}?'}}}}",
        HUSH,
        f"control: {{token: *{HUSH}}}",
        f"control: {{token: !{HUSH} x}}",
        f"control: {{{HUSH}: 1, {HUSH}: 2}}",
        f"control: {{token: '{HUSH}}}",
        f"control: {{token: %{HUSH}}}",
    ],
)
def test_what_may_be_a_secret_in_another_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(NO_FLAGS, {}, written(tmp_path, text))
    assert HUSH not in str(raised.value)
    assert HUSH[:12] not in str(raised.value)


def test_what_may_be_a_secret_in_a_json_file_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "mock.json").write_text(f'{{"control": {{"{HUSH}": 1, "{HUSH}": 2}}}}')
    with pytest.raises(ConfigError, match="the key appears twice in one mapping"):
        load(NO_FLAGS, {}, tmp_path / "mock.json")


def test_a_misspelled_key_beside_secrets_is_named(tmp_path: Path) -> None:
    assert "credentials.sesion_token: unknown key; did you mean credentials.session_token?" in message(
        written(tmp_path, "credentials: {sesion_token: x}")
    )
    assert "control: unknown key (not shown, it may be a secret); the keys here are enabled" in message(
        written(tmp_path, f"control: {{{HUSH}: x}}")
    )


def test_a_user_data_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\x00\x01")
    config = load(NO_FLAGS, {}, written(tmp_path, "instance: {user_data: {file: data}}"))
    assert document_of(config)["instance"]["user_data"] == {"base64": "AAE=", "file": None}


def test_known_keys_and_their_paths() -> None:
    keys = {dotted(path) for path in known_keys(Config)}
    assert {"server", "server.port", "instance.managed_ssh_keys.signer_cert", "metadata"} <= keys
    assert dotted(("instance", "interfaces", 0, "mac")) == "instance.interfaces[0].mac"


def leaves(document: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(document, dict) or not document:
        return {path: document}
    return {deep: value for key, below in document.items() for deep, value in leaves(below, (*path, key)).items()}


nested: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8),
)


@given(nested, nested)
def test_merging_keeps_what_is_below_unless_something_is_above(below: dict[str, Any], above: dict[str, Any]) -> None:
    merged, over, under = (leaves(document) for document in (merge(below, above), above, below))
    for path, value in over.items():
        assert merged.get(path, {}) == value or value == {}
    for path, value in under.items():
        if not any(path[: len(other)] == other or other[: len(path)] == path for other in over):
            assert merged[path] == value
    assert set(merged) <= set(over) | set(under)


def outcome(**sources: Any) -> Config | str:
    """The configuration, or the message."""
    try:
        if "document" in sources:
            return from_document(sources["document"])
        return load(NO_FLAGS, sources.get("environ", {}), sources.get("file"))
    except ConfigError as error:
        return str(error)


# Documents near the schema: right keys more often than not, values of any kind.
keys = st.one_of(
    st.sampled_from([path[-1] for path in known_keys(Config)]), st.text(max_size=4), st.sampled_from(["x-a", "$json"])
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["i-1234567890abcdef0", "us-east-1", "us-east-1a", "10.0.1.23", "static", "enabled", "required"]),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
sections = st.dictionaries(
    st.one_of(st.sampled_from([known.name for known in msgspec.structs.fields(Config)]), keys), documents, max_size=4
)


@given(sections)
def test_any_document_is_a_configuration_or_a_line_about_each_problem(document: dict[str, Any]) -> None:
    read = outcome(document=document)
    if isinstance(read, Config):
        assert from_document(document_of(read)) == read
    else:
        assert all(line.isprintable() and len(line) < 2000 for line in read.split("\n"))


@pytest.fixture(scope="module")
def any_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "file"


@given(st.one_of(sections.map(json.dumps), st.text(), st.binary()), st.sampled_from([".yaml", ".json"]))
def test_any_file_is_a_configuration_or_a_line_about_each_problem(
    any_file: Path, content: str | bytes, suffix: str
) -> None:
    file = any_file.with_suffix(suffix)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    read = outcome(file=file)
    if not isinstance(read, Config):
        first, *others = read.split("\n")
        assert all(line.isprintable() for line in (first, *others))
        assert all(line.strip().startswith(str(file)) for line in others or [first])


@given(st.sampled_from(sorted(variables())), st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_any_variable_is_a_setting_or_a_line_about_each_problem(name: str, text: str) -> None:
    read = outcome(environ={name: text})
    if not isinstance(read, Config):
        first, *others = read.split("\n")
        assert all(line.isprintable() for line in (first, *others))
        assert all(line.strip().startswith(name) for line in others or [first])


def test_the_json_schema_takes_what_we_take_and_refuses_what_we_refuse(tmp_path: Path) -> None:
    validator = jsonschema_rs.validator_for(json_schema())
    assert validator.is_valid(document_of(Config()))
    assert validator.is_valid({"x-mine": 3, "instance": {"public_ipv4": None}, "metadata": {"meta-data": {"a": None}}})
    variant = {"match": {"service": "a"}, "instance": {"role": None, "tags": {"Name": None}}}
    assert validator.is_valid({"identity": "per-container", "variants": [variant]})
    from_document({"variants": [variant]})
    wrong: dict[str, Any]
    for wrong in (
        {"region": "us-east-1"},
        {"server": {"port": 65536}},
        {"instance": {"instance_id": "x"}},
        {"instance": {"interfaces": [{"macc": "x"}]}},
        {"metadata_options": {"http_tokens": "on"}},
        {"variants": [{"match": {"service": "a"}, "instance": {"role": "no good"}}]},
        {"variants": [{"match": {"service": "a"}, "instance": {"regoin": "us-east-1"}}]},
        {"variants": [{"match": {"service": "a"}, "metadata_options": {"http_tokens": "on"}}]},
        {"variants": [{"instance": {}}]},
    ):
        assert not validator.is_valid(wrong)
        assert message(written(tmp_path, json.dumps(wrong)))


def test_the_json_schema_describes_every_key() -> None:
    def walk(part: Any) -> None:
        for name, known in part.get("properties", {}).items():
            assert known.get("description"), name

    for part in json_schema()["$defs"].values():
        assert part["description"]
        walk(part)


def test_config_show_is_the_merged_configuration_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "credentials: {source: static, access_key_id: AKIA, secret_access_key: hush, session_token: hush}\n"
    file = written(tmp_path, text + "instance: {role: null, tags: {a: 'no', b: 1.10}}\n")
    monkeypatch.setenv("IMDS_MOCK_PORT", "81")
    assert main(["config", "show", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "hush" not in shown
    document = yaml.safe_load(shown)
    assert document["server"]["port"] == 81
    assert set(document["credentials"]["secret_access_key"]) == {"*"}
    assert document["instance"]["tags"] == {"a": "no", "b": "1.10"}
    assert load(NO_FLAGS, {}, written(tmp_path, shown, "again.yaml")).instance.role is None
    assert main(["config", "show", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["server"]["port"] == 81


def test_config_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = written(tmp_path, "server: {port: 1}"), written(tmp_path, "server: {prt: 1}", "bad.yaml")
    assert main(["config", "check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: ok\n"
    assert main(["config", "check", str(bad)]) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"imds-mock: {bad}: server.prt: unknown key; did you mean server.port?\n"


def test_config_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(json_schema()))


def test_certs_export_leaves_alone_what_symbolic_links_lead_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imds_mock.signing.signer import Signer

    keys, out, precious = tmp_path / "keys", tmp_path / "out", tmp_path / "precious"
    monkeypatch.setenv("IMDS_MOCK_SIGNING_KEY_DIRECTORY", str(keys))
    Signer(keys).prepare()
    precious.write_text("precious")
    out.mkdir()
    (out / "pkcs7.pem").symlink_to(precious)
    (out / "signature.pem").symlink_to(tmp_path / "new")
    assert main(["certs", "export", str(out)]) == 0
    assert precious.read_text() == "precious"
    assert not (tmp_path / "new").exists()
    assert (out / "pkcs7.pem").read_bytes() == (keys / "pkcs7.pem").read_bytes()
    assert {path.name for path in out.iterdir()} == {"pkcs7.pem", "rsa2048.pem", "signature.pem"}
    assert (out / "pkcs7.pem").stat().st_mode & 0o777 == 0o644
    capsys.readouterr()


def test_certs_export_waits_for_the_folder_of_a_mock_that_was_just_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imds_mock.signing import keys
    from imds_mock.signing.signer import Signer

    read = keys.read_certificates

    def generated_after_the_first_look(directory: Path | None) -> dict[str, bytes]:
        try:
            return read(directory)
        finally:
            Signer(directory).prepare()

    monkeypatch.setattr(keys, "read_certificates", generated_after_the_first_look)
    monkeypatch.setenv("IMDS_MOCK_SIGNING_KEY_DIRECTORY", str(tmp_path / "keys"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(certs, "KEYS_SECONDS", 60.0)
    listening, _ = control_socket.open_default(control_socket.folders(os.environ, os.geteuid()), "1338")
    with listening:
        assert main(["certs", "export"]) == 0
    assert capsys.readouterr().out.count("BEGIN CERTIFICATE") == 3


def test_certs_export(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from imds_mock.signing.signer import Signer

    monkeypatch.setenv("IMDS_MOCK_SIGNING_KEY_DIRECTORY", str(tmp_path / "keys"))
    monkeypatch.setattr(certs, "KEYS_SECONDS", 0.1)
    assert main(["certs", "export"]) == 78
    assert "start the mock first" in capsys.readouterr().err
    # A mock that was just started has its folder before its keys.
    (tmp_path / "keys").mkdir()
    assert main(["certs", "export"]) == 78
    assert "start the mock first" in capsys.readouterr().err
    monkeypatch.setattr(certs, "KEYS_SECONDS", 60.0)
    generating = threading.Thread(target=Signer(tmp_path / "keys").certificates)
    generating.start()
    assert main(["certs", "export"]) == 0
    generating.join()
    certificates = Signer(tmp_path / "keys").certificates()
    assert capsys.readouterr().out.encode() == b"".join(certificates.values())
    assert main(["certs", "export"]) == 0
    assert capsys.readouterr().out.encode() == b"".join(certificates.values())
    assert main(["certs", "export", str(tmp_path / "out/deep")]) == 0
    assert {path.stem: path.read_bytes() for path in (tmp_path / "out/deep").iterdir()} == certificates
    (tmp_path / "file").touch()
    assert main(["certs", "export", str(tmp_path / "file")]) == 78
    assert capsys.readouterr().err.count("\n") == 1


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
