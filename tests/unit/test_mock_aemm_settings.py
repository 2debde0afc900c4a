"""AEMM's settings: precedence of the sources, default paths, saved settings, errors."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.aemm import files
from imds_mock.aemm.arguments import parse
from imds_mock.aemm.data import LIST_KEYS, TAGS_KEY
from imds_mock.aemm.keys import DATA_KEYS, FLAG_KEYS, KEYS, ConfigFileError, UsageError
from imds_mock.aemm.settings import load, read_section
from support.aemm import MAC, settings, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAMPLES = {
    "server.hostname": ("127.0.0.1", "::1", "10.0.0.1"), "server.port": (80, 81, 82),
    "save-config-to-file": (True, False, True), "watch-config-file": (True, False, True),
    "imdsv2": (True, False, True), "mock-delay-sec": (1, 2, 3), "mock-ip-count": (-1, 0, 5),
    "rebalance-delay-sec": (1, 2, 3), "asg-termination-delay-sec": (1, 2, 3),
    "spot.action": ("stop", "hibernate", "terminate"),
    "events.code": ("instance-stop", "instance-reboot", "system-reboot"),
    "events.state": ("completed", "canceled", "active"),
}  # fmt: skip
TIMES = ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2022-01-01T00:00:00+02:00")


def nested(name: str, value: object) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("key", [key for key in FLAG_KEYS if key.name != "config-file"], ids=lambda key: key.name)
def test_a_flag_overrides_its_variable_its_key_and_its_default(tmp_path: Path, key: Any) -> None:
    by_flag, by_variable, by_file = SAMPLES.get(key.name, TIMES)
    environ = {key.variable: str(by_variable)}
    file = written(tmp_path, nested(key.name, by_file))
    words = {"spot": ["spot"], "events": ["events"]}.get(key.name.split(".", maxsplit=1)[0], [])
    flag = f"--{key.flag}={str(by_flag).lower() if by_flag is True else by_flag}"
    assert settings().values[key.name] == key.default
    assert settings(file=file).values[key.name] == by_file
    assert settings(environ=environ, file=file).values[key.name] == by_variable
    assert settings(*words, flag, environ=environ, file=file).values[key.name] == by_flag


@pytest.mark.parametrize("key", [key for key in DATA_KEYS if key.name != TAGS_KEY], ids=lambda key: key.name)
def test_keys_without_flags_can_be_set_by_file_and_variable(tmp_path: Path, key: Any) -> None:
    by_file, by_variable = ("ZmlsZQ==", "dmFyaWFibGU=") if key.name == "userdata.values.userdata" else ("/a", "/b")
    file = written(tmp_path, nested(key.spelling or key.name, by_file))
    listed = key.name in LIST_KEYS
    assert settings(file=file).values[key.name] == ((by_file,) if listed else by_file)
    merged = settings(environ={key.variable: by_variable}, file=file)
    assert merged.values[key.name] == ((by_variable,) if listed else by_variable)
    assert merged.warnings == ()


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("AEMM_SERVER_PORT", "server.port"),
        ("AEMM_SPOT_ACTION", "spot.action"),
        ("AEMM_EVENTS_NOT_BEFORE_DEADLINE", "events.not-before-deadline"),
        ("AEMM_METADATA_VALUES_INSTANCE_ID", "metadata.values.instance-id"),
        ("AEMM_METADATA_VALUES_IAM_SECURITY_CREDENTIALS_ACCESSKEYID",
         "metadata.values.iam-security-credentials.accesskeyid"),
        ("AEMM_DYNAMIC_VALUES_INSTANCE_IDENTITY_DOCUMENT_REGION", "dynamic.values.instance-identity-document.region"),
        ("AEMM_METADATA_PATHS_PUBLIC_HOSTNAME", "metadata.paths.public-hostname"),
        ("AEMM_USERDATA_VALUES_USERDATA", "userdata.values.userdata"),
    ],
)  # fmt: skip
def test_names_of_variables(variable: str, key: str) -> None:
    assert KEYS[key].variable == variable


def test_no_two_keys_share_a_variable() -> None:
    assert len({key.variable for key in KEYS.values()}) == len(KEYS)


def test_empty_variables_count_as_set() -> None:
    assert settings(environ={"AEMM_METADATA_VALUES_HOSTNAME": ""}).values["metadata.values.hostname"] == ""
    assert settings(environ={"AEMM_MOCK_DELAY_SEC": ""}).values["mock-delay-sec"] == 0
    with pytest.raises(UsageError, match=r"^variable AEMM_SPOT_ACTION: expected one of terminate, hibernate, stop"):
        settings(environ={"AEMM_SPOT_ACTION": ""})


JSON_TEXT = '{"Server": {"PORT": 80}, "imdsv2": true, "metadata": {"values": {"ami-launch-index": 42, "mac": null}}}'
DOTTED_TEXT = '{"server.port": "80", "IMDSV2": "t", "metadata.values.ami-launch-index": "42"}'
YAML_TEXT = """
Server: {PORT: 80}
imdsv2: true
metadata:
  values: {ami-launch-index: 42, mac: ~}
"""
TOML_TEXT = """
imdsv2 = true
mock-trigger-time = 2020-01-01T00:00:00Z
[Server]
PORT = 80
[metadata.values]
ami-launch-index = 42
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", JSON_TEXT), ("a.yaml", YAML_TEXT), ("a.YML", YAML_TEXT), ("a.toml", TOML_TEXT),
     ("a.json", "\ufeff" + JSON_TEXT), ("a.json", DOTTED_TEXT)],
)  # fmt: skip
def test_formats_and_keys_of_any_case(tmp_path: Path, name: str, text: str) -> None:
    merged = settings(file=written(tmp_path, text, name))
    assert merged.values["server.port"] == 80
    assert merged.values["imdsv2"] is True
    assert merged.values["metadata.values.ami-launch-index"] == "42"
    assert merged.values["metadata.values.mac"] == "0e:49:61:0f:c3:11"
    assert merged.warnings == ()
    if name == "a.toml":
        assert merged.values["mock-trigger-time"] == "2020-01-01T00:00:00Z"


def test_yaml_scalars_keep_their_notation(tmp_path: Path) -> None:
    text = """
mock-trigger-time: 2020-01-01T00:00:00Z
metadata: {values: {mac: 10:20:30:40:50:51, mac-owner-id: 0123456701, hostname: yes, ami-launch-index: 1.10}}
"""
    values = settings(file=written(tmp_path, text, "a.yaml")).values
    assert values["mock-trigger-time"] == "2020-01-01T00:00:00Z"
    assert [values[f"metadata.values.{name}"] for name in ("mac", "mac-owner-id", "hostname", "ami-launch-index")] == [
        "10:20:30:40:50:51", "0123456701", "yes", "1.10",
    ]  # fmt: skip


def test_the_selection_of_the_config_file(tmp_path: Path) -> None:
    by_flag, by_variable = (written(tmp_path, {"server": {"port": n}}, f"{n}.json") for n in (1, 2))
    home = tmp_path / "home"
    home.mkdir()
    environ = {"HOME": str(home)}
    assert settings(environ=environ).config_file is None
    for n, name in ((3, "aemm-config.yml"), (4, "aemm-config.yaml"), (5, "aemm-config.toml"), (6, "aemm-config.json")):
        text = f"[server]\nport = {n}" if name.endswith("toml") else json.dumps({"server": {"port": n}})
        written(home, text, name)
        assert settings(environ=environ).values["server.port"] == n
    environ["AEMM_CONFIG_FILE"] = str(by_variable)
    assert settings(environ=environ).values["server.port"] == 2
    merged = settings(environ=environ, file=by_flag)
    assert merged.values["server.port"] == 1
    assert merged.config_file == by_flag
    assert merged.values["config-file"] == str(by_flag)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.ini", "", "config file {}: the format .ini is not supported; write it as .json, .yaml, .yml or .toml"),
        ("a.hcl", "", "config file {}: the format .hcl is not supported; write it as .json, .yaml, .yml or .toml"),
        ("noext", "", "config file {}: a file without an extension is not supported; write it as .json, .yaml"),
        ("a.json", "{", "config file {}: is not valid JSON: it ends too early, at line 1, column 2; check brackets"),
        (
            "a.json",
            '{"x": NaN}',
            "config file {}: is not valid JSON: it contains a number or a character that JSON does not allow",
        ),
        ("a.json", "[1]", "config file {}: expected an object with settings at its top"),
        ("a.json", "[" * 100_000, "config file {}: "),
        ("a.yaml", "a: [", "config file {}:"),
        ("a.yaml", "a: 1\na: 2", "config file {}:2:1: is not valid YAML: the key 'a' appears twice in one mapping"),
        ("a.yaml", "a: !!python/object/apply:os.getcwd []", "config file {}:1:4: is not valid YAML: "),
        ("a.toml", "a =", "config file {}: is not valid TOML: invalid value (at end of document)"),
    ],
)
def test_invalid_config_files(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    file = written(tmp_path, text, name)
    with pytest.raises(ConfigFileError) as refused:
        settings(file=file)
    assert str(refused.value).startswith(sentence.format(file))
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.exit_code == 1


def test_unreadable_config_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"a\.json \(flag -c\) does not exist$"):
        settings(file=tmp_path / "a.json")
    with pytest.raises(ConfigFileError, match=r"a\.json \(variable AEMM_CONFIG_FILE\) does not exist$"):
        settings(environ={"AEMM_CONFIG_FILE": str(tmp_path / "a.json")})
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(
        ConfigFileError, match=r"bytes\.json: is not UTF-8 text: invalid start byte at byte 0; save it as UTF-8$"
    ):
        settings(file=tmp_path / "bytes.json")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"server": 80}, "key server in file {}: expected an object with settings, got 80"),
        ({"metadata": {"values": []}}, "key metadata.values in file {}: expected an object with settings, got a list"),
        (
            {"metadata": {"values": {"mac": {"a": 1}}}},
            "key metadata.values.mac in file {}: expected text, got an object",
        ),
        ({"metadata": {"values": {"mac": {}}}}, "key metadata.values.mac in file {}: expected text, got an object"),
        ({"metadata": {"values": {"mac": [1]}}}, "key metadata.values.mac in file {}: expected text, got a list"),
        ({"mock-delay-sec": "soon"}, "key mock-delay-sec in file {}: expected a whole number, got 'soon'"),
        ({"spot": {"action": "explode"}}, "key spot.action in file {}: expected one of terminate, hibernate, stop"),
        ({"userdata": {"values": {"userdata": "*"}}}, "key userdata.values.userdata in file {}: expected base64"),
    ],
)
def test_errors_in_a_file_name_key_and_file(tmp_path: Path, document: Any, sentence: str) -> None:
    file = written(tmp_path, document)
    with pytest.raises(UsageError) as refused:
        settings(file=file)
    assert str(refused.value).startswith(sentence.format(file))
    assert refused.value.exit_code == 2


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, {"spot.action": "trminate", "metdata.values.mac": "x", "mock-delay-sec": "x"})
    with pytest.raises(UsageError) as raised:
        settings(environ={"AEMM_SERVER_PORT": "x", "AEMM_SPOT_ACTON": "x"}, file=file)
    first, *sentences = str(raised.value).splitlines()
    assert first == "5 problems:"
    for place in (
        f"key spot.action in file {file}",
        f"key mock-delay-sec in file {file}",
        "variable AEMM_SERVER_PORT",
        "metdata.values.mac",
        "AEMM_SPOT_ACTON",
    ):
        assert sum(place in sentence for sentence in sentences) == 1, place
    with pytest.raises(UsageError, match=r"^2 problems:\n.*spot\.action.*\n.*unknown key foo "):
        read_section({"spot.action": "trminate", "foo": 1})


def test_settings_without_an_effect_are_named(tmp_path: Path) -> None:
    file = written(tmp_path, {"server": {"prot": 80}, "spot": None, "events": {}, "x": [1]})
    merged = settings("spot", "extra", environ={"AEMM_SPOT_ITN_ACTION": "stop", "AEMM_CONFIG": "x"}, file=file)
    assert merged.warnings == (
        "argument 'extra' has no effect",
        f"key server.prot in file {file} has no effect: did you mean server.port?",
        f"key x in file {file} has no effect: amazon-ec2-metadata-mock has no such setting",
        "variable AEMM_CONFIG has no effect: did you mean AEMM_CONFIG_FILE?",
        "variable AEMM_SPOT_ITN_ACTION has no effect: did you mean AEMM_SPOT_ACTION?",
    )


def test_the_sources_of_values(tmp_path: Path) -> None:
    file = written(tmp_path, {"imdsv2": True, "mock-delay-sec": 3})
    merged = settings("-d", "1", environ={"AEMM_SERVER_PORT": "80"}, file=file)
    assert merged.origins == {
        "imdsv2": f"file {file}", "mock-delay-sec": "flag -d", "server.port": "variable AEMM_SERVER_PORT",
        "config-file": "flag -c",
    }  # fmt: skip


def test_default_paths_follow_their_values(tmp_path: Path) -> None:
    overridden = "/latest/meta-data/network/interfaces/macs/BAR/device-number"
    file = written(tmp_path, {
        "metadata": {
            "paths": {"mac-device-number": overridden},
            "values": {"mac": "FOO", "public-ipv4": "54.92.157.77", "iam-security-credentials-role": "reader",
                       "elastic-inference-associations": "eia-1"},
        }
    })  # fmt: skip
    default, merged = settings().values, settings(file=file).values
    changed = {key.removeprefix("metadata.paths."): merged[key] for key in merged
               if ".paths." in key and merged[key] != default[key]}  # fmt: skip
    macs = {key: str(path) for key, path in changed.items() if key.startswith("mac-")}
    assert len(macs) == 20
    assert macs.pop("mac-device-number") == overridden
    assert (
        macs.pop("mac-ipv4-associations") == f"{MAC.replace('0e:49:61:0f:c3:11', 'FOO')}ipv4-associations/54.92.157.77"
    )
    assert all(path.startswith(MAC.replace("0e:49:61:0f:c3:11", "FOO")) for path in macs.values())
    assert {key: path for key, path in changed.items() if not key.startswith("mac-")} == {
        "iam-security-credentials": "/latest/meta-data/iam/security-credentials/reader",
        "elastic-inference-accelerator": "/latest/meta-data/elastic-inference/associations/eia-1",
    }
    assert merged["metadata.values.mac-mac"] == "0e:49:61:0f:c3:11"


def test_saved_settings_restore_the_settings(tmp_path: Path) -> None:
    environ = {"AEMM_METADATA_VALUES_MAC": "02:00:00:00:00:01", "AEMM_SPOT_TIME": TIMES[2],
               "AEMM_DYNAMIC_VALUES_INSTANCE_IDENTITY_DOCUMENT_RAMDISKID": "ari-1"}  # fmt: skip
    first = settings("-s", "-p", "80", environ=environ)
    saved = files.save(first.values, str(tmp_path))
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert saved == tmp_path / ".ec2-metadata-mock" / ".aemm-config-used.json"
    document = json.loads(saved.read_text("utf-8"))
    assert document["server"] == {"hostname": "0.0.0.0", "port": 80}  # noqa: S104 - AEMM's default
    assert document["metadata"]["values"]["iam-info"]["instanceprofileid"] == "AIPA5BOGHHXZELSK34VU4"
    assert document["dynamic"]["values"]["instance-identity-document"]["kernelid"] is None
    again = settings(file=saved)
    assert again.warnings == ()
    assert dict(again.values) == dict(first.values) | {"config-file": str(saved)}


def test_without_a_home_directory_settings_are_saved_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.save(settings().values, None).resolve() == tmp_path / ".ec2-metadata-mock" / ".aemm-config-used.json"


def test_errors_name_variables_that_are_not_utf8() -> None:
    value = os.fsdecode(b"caf\xe9")
    with pytest.raises(UsageError, match=r"^variable AEMM_METADATA_VALUES_HOSTNAME: expected text in UTF-8"):
        settings(environ={"AEMM_METADATA_VALUES_HOSTNAME": value})


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["server", "port", "metadata", "values", "mac", "paths", "spot", "action", "imdsv2"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["server", "metadata", "spot", "imdsv2", "userdata", "x"]), documents))
def test_any_document_is_read_or_rejected_with_a_line_per_problem(
    tmp_path_factory: pytest.TempPathFactory, document: Any
) -> None:
    file = written(tmp_path_factory.getbasetemp(), document)
    try:
        merged = load(parse(["-c", str(file)]), {})
    except UsageError as error:
        head, *problems = str(error).splitlines()
        assert not problems or head == f"{len(problems)} problems:"
    else:
        assert merged.values.keys() == KEYS.keys()
        assert files.read(file) is not None


def test_an_unsearchable_home_directory_has_no_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: object, **_options: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", denied)
    assert settings(environ={"HOME": str(tmp_path)}).config_file is None
    with pytest.raises(ConfigFileError, match="does not exist"):
        settings(file=tmp_path / "a.json")


def test_saved_settings_are_readable_for_this_user_only(tmp_path: Path) -> None:
    folder = tmp_path / ".ec2-metadata-mock"
    folder.mkdir()
    (tmp_path / "other").write_text("kept")
    (folder / ".aemm-config-used.json").symlink_to(tmp_path / "other")
    saved = files.save(settings().values, str(tmp_path))
    assert (saved.is_symlink(), stat.S_IMODE(saved.stat().st_mode)) == (False, 0o600)
    assert (tmp_path / "other").read_text() == "kept"
    saved.chmod(0o644)
    assert stat.S_IMODE(files.save(settings().values, str(tmp_path)).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [".aemm-config-used.json"], "no unfinished file stays"


HUSH = "wJalrXUtnFEMI/K7MDENG-bPxRfiCY"
KEYS_OF_CREDENTIALS = "metadata.values.iam-security-credentials"


@pytest.mark.parametrize(
    "section",
    [
        {HUSH: "x"},
        {"metadata": {"values": {HUSH: "x"}}},
        {"metadata": {"values": {"iam-security-credentials": {HUSH: "x"}}}},
        {f"{KEYS_OF_CREDENTIALS}.{HUSH}": "x"},
        {KEYS_OF_CREDENTIALS: HUSH},
        {f"{KEYS_OF_CREDENTIALS}.token": [HUSH]},
    ],
)
def test_messages_omit_possible_secrets_in_place_of_keys(tmp_path: Path, section: dict[str, Any]) -> None:
    said: list[str] = []
    ways: list[Callable[[], Any]] = [lambda: read_section(section), lambda: settings(file=written(tmp_path, section))]
    for read in ways:
        try:
            said += read().warnings
        except UsageError as error:
            said.append(str(error))
    assert said
    assert not [text for text in said if HUSH.lower() in text.lower()]


def test_the_error_names_a_misspelled_key() -> None:
    with pytest.raises(UsageError, match=r"unknown key metadata\.values\.instance-idd in section aemm: did you mean"):
        read_section({"metadata": {"values": {"instance-idd": "x"}}})
