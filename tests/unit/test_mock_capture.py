"""What the capture knows of the mock's catalogue, and the configuration that it writes for unusual metadata."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imds_mock.build.leaves import build_leaves
from imds_mock.build.loading import from_document
from imds_mock.capture.bundle import bundle
from imds_mock.capture.client import Answer, CaptureError, Client
from imds_mock.capture.configuration import notes, write_configuration
from imds_mock.capture.paths import INTERFACE_PATHS, PATHS, Path, setting_of, since_of
from imds_mock.capture.walk import Walked, child_of
from imds_mock.config.plain_documents import read_yaml
from imds_mock.metadata import catalogue
from imds_mock.service.snapshot import Snapshot
from imds_mock.signing.signer import Signer

if TYPE_CHECKING:
    from imds_mock.metadata.rows import Row

ID = "meta-data/instance-id"


@pytest.mark.parametrize(("own", "rows"), [(PATHS, catalogue.ROWS), (INTERFACE_PATHS, catalogue.INTERFACE_ROWS)])
def test_the_paths_are_those_of_the_catalogue(own: tuple[Path, ...], rows: tuple[Row[object], ...]) -> None:
    assert [(path.path, path.since) for path in own] == [(row.path, row.since) for row in rows]


def test_the_paths_that_the_mock_always_serves_are_those_without_a_condition() -> None:
    permanent = {row.path for row in catalogue.ROWS if not row.when} - {"meta-data/block-device-mapping/<name>"}
    assert {path.path for path in PATHS if path.is_permanent} == permanent


@pytest.mark.parametrize(
    "path",
    [ID, "meta-data/network/interfaces/macs/0a:11:22:33:44:55/ipv6s", "meta-data/tags/instance/a", "user-data", "x"],
)
def test_the_version_of_a_path_is_the_catalogues(path: str) -> None:
    assert since_of(path) == catalogue.since_of(path)


SIMPLE = [path for path in PATHS if path.setting]


@given(st.data())
def test_a_value_that_the_capture_sets_is_one_that_the_mock_accepts(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(SIMPLE))
    text = data.draw(st.from_regex(rf"\A(?:{row.pattern})\Z"))
    value = setting_of(row, text)
    if value is not None:
        extra = {"placement_group": "group"} if row.setting == "partition_number" else {}
        from_document({"instance": {row.setting: value, **extra}})


def walked(leaves: dict[str, bytes], categories: dict[str, list[str]] | None = None) -> Walked:
    answers: dict[str, Answer | None] = {path: Answer(200, "text/plain", body) for path, body in leaves.items()}
    firsts = dict.fromkeys(leaves, "latest")
    return Walked(answers, categories or {}, firsts, ["latest"], False, False, [])


def configuration(capture: Walked) -> dict[str, object]:
    document: dict[str, object] = read_yaml(write_configuration(capture), "captured")
    from_document(document)
    return document


def served_with(document: dict[str, object]) -> dict[str, object]:
    """The leaves of a mock with a configuration."""
    config = from_document(document)
    leaves, labels = build_leaves(config, started=0, signer=Signer())
    snapshot = Snapshot.build(leaves, labels, config.metadata_options, instance_id="i", started=0)
    return {path: leaf.body for path, leaf in snapshot.tree.leaves.items()}


READ = [
    path.path
    for path in PATHS
    if "<" not in path.path and not re.search(r"/(pkcs7|rsa2048|signature|ec2-instance|info)$", path.path)
]
BODIES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"", b"0", b"1", b"true", b"us-gov-west-1", b"eu-west-1", b"eu-west-1a", b"10.0.1.7", b"none", b"[]"]
    ),
    st.sampled_from([b"ip-10-0-1-7.ec2.internal", b"aws", b"amazonaws.com", b"default", b"0a:11:22:33:44:55", b"{}"]),
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(READ), BODIES))
def test_any_body_is_served_again(leaves: dict[str, bytes]) -> None:
    assert served_with(configuration(walked(leaves))) == leaves


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.from_regex(r"\Ameta-data/(tags/instance|public-keys/[0-3]|[a-z]+)/[a-z0-9=._:$-]{1,5}\Z"), BODIES
    )
)
def test_any_path_is_served_again(leaves: dict[str, bytes]) -> None:
    kept = {path: body for path, body in leaves.items() if not path.endswith(("/.", "/.."))}
    assert served_with(configuration(walked(kept))) == kept


MAC = "0a:11:22:33:44:55"
INTERFACE = {
    "device-number": ["0", "1", "x"],
    "interface-id": ["eni-12345678", "eni-1"],
    "ipv4-prefix": ["10.0.1.16/28", "10.0.1.17/28"],
    "ipv6-prefix": ["2001:db8:1:2:3::/80", "2001:db8::1/80"],
    "ipv6s": ["2001:db8::1", "2001:DB8::1", "2001:db8::1\n2001:db8::1", "::1%1"],
    "local-ipv4s": ["10.0.1.5", "10.0.1.5\n10.0.1.6", "10.0.1.5\n", "10.0.1"],
    "ipv4-associations/203.0.113.9": ["10.0.1.5", "10.0.1.9"],
    "network-card": ["0", "2"],
    "owner-id": ["123456789012", "1"],
    "public-ipv4s": ["203.0.113.9", "203.0.113.10"],
    "security-group-ids": ["sg-12345678", "sg-12345678\nsg-12345679"],
    "security-groups": ["default", "", "a\nb"],
    "subnet-ipv4-cidr-block": ["10.0.1.0/24", "10.0.1.1/24", "10.1.0.0/24"],
    "subnet-ipv6-cidr-blocks": ["2001:db8::/64", "2001:db8:0:0:0:0:0:0/64", "2001:db9::/64"],
    "vpc-ipv4-cidr-blocks": ["10.0.0.0/16", "10.0.1.0/25"],
    "vpc-ipv6-cidr-blocks": ["2001:db8::/56", "2001:db9::/56"],
}


@settings(max_examples=300)
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in INTERFACE.items()}))
def test_any_interface_becomes_a_configuration_that_is_accepted(texts: dict[str, str]) -> None:
    below = f"meta-data/network/interfaces/macs/{MAC}/"
    leaves = {"meta-data/mac": MAC.encode(), f"{below}mac": MAC.encode()}
    leaves |= {f"{below}{name}": text.encode() for name, text in texts.items()}
    capture = walked(leaves, {"meta-data/network/interfaces/macs": [f"{MAC}/"]})
    config = from_document(configuration(capture))
    served, _labels = build_leaves(config, started=0, signer=Signer())
    assert {path: body for path, body in leaves.items() if served[path].body != body} == {}
    assert {path for path in served if path.startswith(below)} == {path for path in leaves if path.startswith(below)}


@given(st.text(max_size=40))
def test_any_text_is_the_same_text_in_yaml(text: str) -> None:
    document = yaml.safe_load(write_configuration(walked({"meta-data/x": text.encode("utf-8", "replace")})))
    found = document["metadata"]["meta-data/x"]
    if isinstance(found, dict):
        assert list(found) == ["$base64"]
    else:
        assert found == text


def test_contradicting_interfaces_are_overrides() -> None:
    mac = "meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/"
    leaves = {
        "meta-data/mac": b"0e:49:61:0f:c3:11",
        f"{mac}mac": b"0e:49:61:0f:c3:11",
        f"{mac}local-ipv4s": b"172.16.34.43",
        f"{mac}security-groups": b"default",
        f"{mac}subnet-ipv4-cidr-block": b"192.0.2.0/24",
    }
    document = configuration(walked(leaves, {"meta-data/network/interfaces/macs": ["0e:49:61:0f:c3:11/"]}))
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["meta-data/network"] is None
    assert metadata[f"{mac}subnet-ipv4-cidr-block"] == "192.0.2.0/24"


def test_an_identity_document_that_settings_do_not_reproduce_is_an_override_with_a_note() -> None:
    capture = walked({"dynamic/instance-identity/document": b'{"accountId": "123456789012", "extra": 1}'})
    metadata = configuration(capture)["metadata"]
    assert isinstance(metadata, dict)
    assert "extra" in metadata["dynamic/instance-identity/document"]
    assert ["signatures do not match" in note for note in notes(capture)] == [True]


@pytest.mark.parametrize(
    ("category", "name", "child"),
    [
        ("", "meta-data", ("meta-data", True)),
        ("", "user-data", ("user-data", False)),
        ("meta-data", "iam/", ("meta-data/iam", True)),
        ("meta-data/public-keys", "0=my-key", ("meta-data/public-keys/0", True)),
        ("meta-data/tags/instance", "a=b", ("meta-data/tags/instance/a=b", False)),
    ],
)
def test_lines_of_listings_are_categories_or_leaves(category: str, name: str, child: tuple[str, bool]) -> None:
    assert child_of(category, name) == child


@pytest.mark.parametrize(
    "url", ["", "169.254.169.254", "https://127.0.0.1", "http://127.0.0.1/latest", "http://[::1", "http://a:b"]
)
def test_an_invalid_endpoint_is_named(url: str) -> None:
    with pytest.raises(CaptureError, match="invalid endpoint") as raised:
        Client(url)
    assert raised.value.exit_code == 64


def test_the_program_is_one_file_of_the_standard_library() -> None:
    tree = ast.parse(bundle(), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= {
        *("__future__", "argparse", "base64", "collections", "contextlib", "http", "ipaddress", "json", "os", "re"),
        *("socket", "sys", "time", "typing", "urllib"),
    }
    assert re.search("imds_mock[.]", bundle()) is None


def test_no_name_of_the_program_has_two_meanings() -> None:
    meanings: dict[str, set[str]] = {}
    for node in ast.parse(bundle()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            meanings.setdefault(node.name, set()).add(ast.unparse(node))
        elif isinstance(node, ast.Assign):
            names = [name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)]
            values = node.value.elts if isinstance(node.targets[0], ast.Tuple) else [node.value]  # type: ignore[attr-defined]  # a tuple for a tuple
            for name, value in zip(names, values, strict=True):
                meanings.setdefault(name, set()).add(ast.unparse(value))
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_the_program_says_that_its_output_cannot_be_written(unbuffered: str, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "capture.py"
    program.write_text(bundle())
    words = [sys.executable, str(program), "--help"]
    environ = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    reader, gone = os.pipe()
    os.close(reader)
    with pathlib.Path("/dev/full").open("w", encoding="ascii") as full:
        ended = [
            subprocess.run(words, stdout=output, stderr=subprocess.PIPE, env=environ, text=True, check=False)
            for output in (full.fileno(), gone)
        ]
    os.close(gone)
    sentence = "imds-mock capture: cannot write to standard output: No space left on device\n"
    assert [(done.returncode, done.stderr) for done in ended] == [(74, sentence), (141, "")]
