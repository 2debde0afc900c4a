"""Every key of amazon-ec2-metadata-mock's configuration in every type that JSON, YAML and TOML have.

What becomes of each was observed with AEMM's own libraries: viper 1.20.1, mapstructure 2.2.1, yaml.v3, go-toml 2.2.3.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from imds_mock.aemm.data import LIST_KEYS, ROWS, TAGS_KEY
from imds_mock.aemm.keys import KEYS, Key, UsageError
from imds_mock.aemm.leaves import build_leaves
from imds_mock.aemm.settings import Settings, read_section
from support.aemm import STARTED, settings, written

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DOCUMENT: Final = "dynamic/instance-identity/document"
PRODUCT_CODES: Final = "dynamic.values.instance-identity-document.marketplaceproductcodes"
NULLABLE: Final = {f"dynamic.values.instance-identity-document.{member}"
                   for member in ("ramdiskid", "kernelid", "devpayproductcodes", "billingproducts")}  # fmt: skip
WHOLE_NUMBERS: Final = {"mock-delay-sec", "mock-ip-count", "rebalance-delay-sec", "asg-termination-delay-sec"}
SWITCHES: Final = {"imdsv2", "save-config-to-file", "watch-config-file"}
TIMES: Final = {"mock-trigger-time", "rebalance-trigger-time", "asg-termination-trigger-time", "spot.time",
                "spot.rebalance-rec-time", "events.not-before", "events.not-after",
                "events.not-before-deadline"}  # fmt: skip
CHOICES: Final = {"spot.action": "hibernate", "events.code": "instance-stop", "events.state": "canceled"}
OTHERS: Final = {
    "config-file",
    "server.port",
    "userdata.values.userdata",
    TAGS_KEY,
    *LIST_KEYS,
    *WHOLE_NUMBERS,
    *SWITCHES,
    *TIMES,
    *CHOICES,
}
TEXT: Final = [key for name, key in KEYS.items() if name not in OTHERS]

REFUSED: Final = object()
AS_TEXT: Final = [
    ('"x"', '"x"', '"x"', "x"), ('""', '""', '""', ""), ("42", "42", "42", "42"), ("-7", "-7", "-7", "-7"),
    ("1.5", "1.5", "1.5", "1.5"), ("42.0", None, "42.0", "42"), ("1e21", None, "1e21", "1" + "0" * 21),
    ("1e-7", None, "1e-7", "0.0000001"), ("true", "true", "true", "1"), ("false", "False", "false", "0"),
    ('"true"', '"true"', '"true"', "true"),
]  # fmt: skip
"""The same value in JSON, YAML and TOML (None: not tried), and the text that it becomes."""


def nested(names: Iterable[str], value: str) -> str:
    """A document that sets keys to one value in the notation of the format."""
    tree: dict[str, Any] = {}
    for name in names:
        *sections, last = name.split(".")
        section = tree
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = None
    return json.dumps(tree).replace("null", value)


def files(
    folder: Path, names: Iterable[str], as_json: str | None, as_yaml: str | None, as_toml: str | None
) -> list[Path]:
    """A config file in each format that sets keys to one value."""
    texts = {
        "a.json": as_json and nested(names, as_json),
        "a.yaml": as_yaml and nested(names, as_yaml),
        "a.toml": as_toml and "\n".join(f"{name} = {as_toml}" for name in names),
    }
    return [written(folder, text, file) for file, text in texts.items() if text]


def read(file: Path, name: str, result: object) -> Settings | None:
    """The settings of a file whose key has this value; None if the value must be rejected, and is."""
    if result is not REFUSED:
        merged = settings(file=file)
        assert merged.values[name] == result, file.name
        return merged
    with pytest.raises(
        UsageError, match=rf"^key {name} in file {file}: expected .*, got (an object|a list)"
    ) as refused:
        settings(file=file)
    assert refused.value.exit_code == 2
    return None


@pytest.mark.parametrize("kind", [".values.", ".paths.", "server."])
@pytest.mark.parametrize(("as_json", "as_yaml", "as_toml", "result"), AS_TEXT)
def test_text_of_every_key_is_served(
    tmp_path: Path, kind: str, as_json: str, as_yaml: str | None, as_toml: str, result: str
) -> None:
    keys = [key for key in TEXT if kind in key.name]
    assert keys
    for file in files(tmp_path, [key.spelling or key.name for key in keys], as_json, as_yaml, as_toml):
        merged = settings(file=file)
        for key in keys:
            assert merged.values[key.name] == result, (file.name, key.name)
            if kind == ".values.":
                assert served(merged, key) == result, (file.name, key.name)


@pytest.mark.parametrize("key", TEXT, ids=lambda key: key.name)
def test_text_rejects_lists_and_objects_and_null_leaves_it_unset(tmp_path: Path, key: Key) -> None:
    name = [key.spelling or key.name]
    for file in files(tmp_path, name, "null", "~", None):
        merged = settings(file=file)
        assert (merged.values[key.name], key.name in merged.given) == (key.default, False)
    expected = "text or null" if key.name in NULLABLE else "text"
    for as_json, as_yaml, as_toml, got in (("[]", "[a]", '["a"]', "a list"), ('{"k": 1}', "{}", "{}", "an object")):
        for file in files(tmp_path, name, as_json, as_yaml, as_toml):
            with pytest.raises(UsageError, match=rf"^key {key.name} in file {file}: expected {expected}, got {got}$"):
                settings(file=file)


def served(merged: Settings, key: Key) -> object:
    """The body of a value's leaf, or the member of its document."""
    section, _, name = key.name.split(".", 2)
    name, *members = (key.spelling or key.name).split(".", 2)[2].split(".")
    if section == "metadata" and name == "event-id":
        name, members = "events", ["EventId"]
    row = next(row for row in ROWS if (row.section, row.key) == (section, name))
    made = build_leaves(merged, STARTED)
    leaf = made.get(str(merged.values[f"{section}.paths.{name}"]).removeprefix("/latest/"))
    if leaf is None:
        return merged.values[key.name]  # a default path with an empty part, where no request can lead
    held = (leaf.body(STARTED) if callable(leaf.body) else leaf.body) or b""
    if not members:
        return held.decode()
    assert row.content_type == "application/json" or name == "elastic-inference-accelerator"
    document = json.loads(held)
    document = document[0] if isinstance(document, list) else document
    for member in members:
        document = document[member]
    return document


@pytest.mark.parametrize(
    ("as_json", "as_yaml", "as_toml", "result"),
    [
        ('["4i20aaaabbbbccccddddeeeef"]', "[4i20aaaabbbbccccddddeeeef]", '["4i20aaaabbbbccccddddeeeef"]',
         ["4i20aaaabbbbccccddddeeeef"]),
        ('["a", "b"]', "[a, b]", '["a", "b"]', ["a", "b"]), ("[]", "[]", "[]", []), ("{}", "{}", "{}", []),
        ('["a", 1, true, null, 1.5]', "[a, 1, true, ~, 1.5]", None, ["a", "1", "1", "", "1.5"]),
        ('"x"', "x", '"x"', ["x"]), ('"a,b"', '"a,b"', '"a,b"', ["a", "b"]), ('""', '""', '""', []),
        ("42", "42", "42", ["42"]), ("true", "true", "true", ["1"]), ("null", "~", None, None),
        ('[["a"]]', "[[a]]", '[["a"]]', REFUSED), ('{"k": 1}', "{k: 1}", "{k = 1}", REFUSED),
    ],
)  # fmt: skip
def test_a_list_of_text(tmp_path: Path, as_json: str, as_yaml: str, as_toml: str | None, result: Any) -> None:
    for file in files(tmp_path, ["dynamic.values.instance-identity-document.marketplaceProductCodes"], as_json, as_yaml,
                      as_toml):  # fmt: skip
        merged = read(file, PRODUCT_CODES, tuple(result) if isinstance(result, list) else result)
        if merged is not None:
            again = read_section(json.loads(json.dumps(merged.section())))
            for each in (merged, again):
                body = build_leaves(each, STARTED)[DOCUMENT].body
                assert isinstance(body, bytes)
                assert json.loads(body)["marketplaceProductCodes"] == result


def test_an_empty_value_in_a_default_path_removes_the_leaf(tmp_path: Path) -> None:
    made = build_leaves(settings(file=written(tmp_path, {"metadata": {"values": {"mac": ""}}})), STARTED)
    assert made["meta-data/mac"].body == b""
    assert not [path for path in made if path.startswith("meta-data/network/")]


def test_a_list_is_served_in_amazons_notation(tmp_path: Path) -> None:
    file = written(tmp_path, {"dynamic": {"values": {"instance-identity-document": {
        "marketplaceProductCodes": ["a", "b"], "ramdiskId": None, "accountId": "<&>"}}}})  # fmt: skip
    body = build_leaves(settings(file=file), STARTED)[DOCUMENT].body
    assert isinstance(body, bytes)
    assert b'\n\t"ramdiskId": null,\n' in body
    assert b'\n\t"marketplaceProductCodes": [\n\t\t"a",\n\t\t"b"\n\t],\n' in body
    assert b'\n\t"accountId": "\\u003c\\u0026\\u003e",\n' in body


def test_a_variable_for_a_list_contains_commas() -> None:
    variable = "AEMM_DYNAMIC_VALUES_INSTANCE_IDENTITY_DOCUMENT_MARKETPLACEPRODUCTCODES"
    for text, result in (("a,b", ("a", "b")), ("", ()), ("a, b ,", ("a", " b ", "")), ("null", ("null",))):
        assert settings(environ={variable: text}).values[PRODUCT_CODES] == result


@pytest.mark.parametrize("name", sorted(WHOLE_NUMBERS))
def test_whole_numbers(tmp_path: Path, name: str) -> None:
    for as_json, result in (("7", 7), ("-1", -1), ("7.9", 7), ("1e3", 1000), ('"12"', 12), ('"0x10"', 16), ('""', 0),
                            ("true", 1), ("false", 0), ("[]", REFUSED), ("{}", REFUSED), ('{"k": 1}', REFUSED),
                            ("null", KEYS[name].default)):  # fmt: skip
        for file in files(tmp_path, [name], as_json, as_json, None if "k" in as_json else as_json):
            if file.suffix != ".toml" or as_json != "null":
                read(file, name, result)
    with pytest.raises(UsageError, match=r": expected a whole number, got 'soon'$"):
        settings(file=written(tmp_path, {name: "soon"}))


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_switches(tmp_path: Path, name: str) -> None:
    for as_json, result in (("true", True), ("false", False), ('"t"', True), ('"FALSE"', False), ('""', False),
                            ("1", True), ("0", False), ("2.5", True), ("42", True), ("null", False),
                            ("[]", REFUSED), ("{}", REFUSED)):  # fmt: skip
        for file in files(tmp_path, [name], as_json, as_json, None if as_json == "null" else as_json):
            read(file, name, result)
    with pytest.raises(UsageError, match=r": expected true or false, got 'yes'$"):
        settings(file=written(tmp_path, f"{name}: yes", "a.yaml"))


@pytest.mark.parametrize("name", sorted(TIMES))
def test_times(tmp_path: Path, name: str) -> None:
    text = "2020-01-07T01:03:47+05:00"
    for file in files(tmp_path, [name], f'"{text}"', text, text):
        read(file, name, text)
    for file in files(tmp_path, [name], '""', '""', '""'):
        read(file, name, "")
    for file in files(tmp_path, [name], "null", "~", None):
        read(file, name, "")
    for file in files(tmp_path, [name], "1578359027", "2020-01-07", "2020-01-07"):
        with pytest.raises(UsageError, match=rf"^key {name} in file .*: expected an RFC 3339 time like"):
            settings(file=file)
    for file in files(tmp_path, [name], "[]", "{}", '["x"]'):
        read(file, name, REFUSED)


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_choices(tmp_path: Path, name: str) -> None:
    chosen = CHOICES[name]
    for file in files(tmp_path, [name], f'"{chosen}"', chosen, f'"{chosen}"'):
        read(file, name, chosen)
    for file in files(tmp_path, [name], "null", "~", None):
        read(file, name, KEYS[name].default)
    for file in files(tmp_path, [name], "true", "true", "true"):
        with pytest.raises(UsageError, match=rf"^key {name} in file .*: expected one of .*, got true$"):
            settings(file=file)
    for file in files(tmp_path, [name], "[]", "{}", '["x"]'):
        read(file, name, REFUSED)


def test_the_port(tmp_path: Path) -> None:
    for as_json, result in (("80", 80), ('"80"', 80), ("80.0", 80), ("null", 1338)):
        read(files(tmp_path, ["server.port"], as_json, None, None)[0], "server.port", result)
    for as_json in ("[]", "{}", '{"k": 1}'):
        read(files(tmp_path, ["server.port"], as_json, None, None)[0], "server.port", REFUSED)


def test_user_data(tmp_path: Path) -> None:
    name = "userdata.values.userdata"
    default = KEYS[name].default
    for as_json, as_yaml, result in (('"aGk="', "aGk=", "aGk="), ("1234", "1234", "1234"), ("null", "~", default),
                                     ("[]", "[]", REFUSED), ("{}", "{}", REFUSED)):  # fmt: skip
        for file in files(tmp_path, [name], as_json, as_yaml, None):
            read(file, name, result)


def test_instance_tags_as_one_object(tmp_path: Path) -> None:
    for file in files(tmp_path, [TAGS_KEY], '{"Env": "dev", "a.B": 1, "On": true}', '{Env: dev, "a.B": 1, On: true}',
                      '{Env = "dev", "a.B" = 1, On = true}'):  # fmt: skip
        merged = read(file, TAGS_KEY, {"Env": "dev", "a.B": "1", "On": "1"})
        assert merged is not None
        made = build_leaves(read_section(json.loads(json.dumps(merged.section()))), STARTED)
        tags = {path.rpartition("/")[2]: leaf.body for path, leaf in made.items() if "/tags/instance/" in path}
        assert tags == {"Name": b"test-instance", "Test": b"test-tag", "Env": b"dev", "a.B": b"1", "On": b"1"}
    for as_json, got in (('"x"', "'x'"), ("[]", "a list"), ('{"a": []}', "a list in an object")):
        file = files(tmp_path, [TAGS_KEY], as_json, None, None)[0]
        with pytest.raises(UsageError, match=rf": expected an object of names and text, got {got}$"):
            settings(file=file)


def test_tag_names_are_paths(tmp_path: Path) -> None:
    file = files(tmp_path, [TAGS_KEY], '{"k8s.io/role": "x", "k8s.io": "y", "a//b": "z", "": "z"}', None, None)[0]
    made = build_leaves(settings(file=file), STARTED)
    tags = {path.partition("/tags/instance/")[2]: leaf.body for path, leaf in made.items() if "/tags/" in path}
    assert tags == {"Name": b"test-instance", "Test": b"test-tag", "k8s.io/role": b"x", "k8s.io": b"y"}


def test_yaml_anchors_and_merge_keys(tmp_path: Path) -> None:
    text = """
x-common: &role {Code: Success, Type: AWS-HMAC}
metadata:
  values:
    hostname: &name web.internal
    local-hostname: *name
    iam-security-credentials: {<<: *role, Token: t}
"""
    merged = settings(file=written(tmp_path, text, "a.yaml"))
    assert merged.warnings == ()
    values = merged.values
    assert (values["metadata.values.hostname"], values["metadata.values.local-hostname"]) == ("web.internal",) * 2
    assert values["metadata.values.iam-security-credentials.token"] == "t"
    assert values["metadata.values.iam-security-credentials.accesskeyid"] == "12345678901"


def test_members_of_a_nested_object_are_independent(tmp_path: Path) -> None:
    file = written(tmp_path, {"METADATA": {"Values": {"IAM-Info": {"CODE": "x"}}}})
    body = build_leaves(settings(file=file), STARTED)["meta-data/iam/info"].body
    assert isinstance(body, bytes)
    assert json.loads(body) == {
        "Code": "x",
        "LastUpdated": "2020-04-02T18:50:40Z",
        "InstanceProfileArn": "arn:aws:iam::896453262835:instance-profile/baskinc-role",
        "InstanceProfileId": "AIPA5BOGHHXZELSK34VU4",
    }
