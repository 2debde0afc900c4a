"""Documents beyond the limits of depth, nodes and size: refused by name, before anything is built from them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from imds_mock.aemm import files
from imds_mock.aemm.keys import ConfigFileError
from imds_mock.build.loading import load
from imds_mock.config.document_limits import MAX_BYTES, MAX_DEPTH, MAX_NODES, excess
from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import read_document_text, read_json, read_yaml
from imds_mock.events.scenario import read_scenario_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], k{n}: 1}}\n" for n in range(1, 10)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))
DEEP, MANY, LARGE, LOOP = "nested too deeply", f"more than {MAX_NODES} keys and values", f"{MAX_BYTES} bytes", "inside"
BOMBS_OF_YAML = {
    "deep list": ("[" * 40_000, DEEP),
    "deep list, closed": ("[" * 40_000 + "]" * 40_000, DEEP),
    "deep mapping": ("{a: " * 40_000, DEEP),
    "deep block": ("".join(f"{' ' * n}a:\n" for n in range(200)), DEEP),
    "deep block list": ("- " * 40_000, DEEP),
    "billion laughs": (LAUGHS, MANY),
    "merge keys": (MERGES, MANY),
    "chain of aliases": (CHAIN, DEEP),
    "many": ("- x\n" * (MAX_NODES + 1), MANY),
    "large": ("x" * (MAX_BYTES + 1), LARGE),
    "large in bytes": ("é" * (MAX_BYTES // 2 + 1), LARGE),
    "a list that holds itself": ("&a [*a]", LOOP),
    "a mapping that holds itself": ("&a {b: [*a]}", LOOP),
}
BOMBS_OF_JSON = {
    "deep list": ("[" * 40_000 + "]" * 40_000, DEEP),
    "deep object": ('{"a":' * 40_000, DEEP),
    "many": (json.dumps(["x"] * (MAX_NODES + 1)), MANY),
    "many keys": (json.dumps({str(n): n for n in range(MAX_NODES)}), MANY),
    "large": (json.dumps("x" * MAX_BYTES), LARGE),
}


def refused(call: Callable[[], object], error: type[Exception] = ConfigError) -> str:
    """The sentence with which a document is refused, in a time in which nothing much can have been built."""
    began = time.process_time()
    with pytest.raises(error) as refusal:
        call()
    assert time.process_time() - began < 2
    sentence = str(refusal.value)
    assert len(sentence) < 300
    return sentence


@pytest.mark.parametrize(("text", "words"), BOMBS_OF_YAML.values(), ids=BOMBS_OF_YAML)
def test_yaml_bombs(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(lambda: read_yaml(text, "x.yaml"))
    for name, read in (
        ("config.yaml", lambda file: load({}, {}, file)),
        ("scenario.yaml", lambda file: read_scenario_text(read_document_text(file), str(file))),
    ):
        file = tmp_path / name
        file.write_text(text)
        sentence = refused(lambda read=read, file=file: read(file))  # type: ignore[misc]
        assert sentence.startswith(f"{file}: ")
        assert words in sentence


@pytest.mark.parametrize(("text", "words"), BOMBS_OF_YAML.values(), ids=BOMBS_OF_YAML)
def test_yaml_bombs_in_variables_and_flags(text: str, words: str) -> None:
    value = f"- {text}".replace("\n", "\n  ")
    assert words in refused(lambda: load({}, {"IMDS_MOCK_VARIANTS": value}, None))
    assert words in refused(lambda: load({"variants": value}, {}, None))


@pytest.mark.parametrize(("text", "words"), BOMBS_OF_JSON.values(), ids=BOMBS_OF_JSON)
def test_json_bombs(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    assert words in refused(lambda: read_json(text, "x.json"))
    assert words in refused(lambda: load({}, {}, file))


@pytest.mark.parametrize("extension", ["yaml", "json", "toml"])
def test_bombs_in_the_file_of_the_drop_in(tmp_path: Path, extension: str) -> None:
    file = tmp_path / f"aemm-config.{extension}"
    for text, words in {"yaml": BOMBS_OF_YAML, "json": BOMBS_OF_JSON, "toml": {}}[extension].values():
        file.write_text(text)
        assert words in refused(lambda: files.read(file), ConfigFileError)
    file.write_text("a = " + "[" * 40_000)
    refused(lambda: files.read(file), ConfigFileError)


def test_a_file_without_end_is_read_up_to_the_limit(tmp_path: Path) -> None:
    endless = tmp_path / "config.yaml"
    endless.symlink_to("/dev/zero")
    assert LARGE in refused(lambda: load({}, {}, endless))


def test_what_is_within_the_limits_is_taken() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(read_yaml(deep, "x")) == deep == json.dumps(read_json(deep, "x"))
    assert len(read_yaml("- x\n" * (MAX_NODES - 1), "x")) == MAX_NODES - 1
    assert read_yaml("a: &a [x, &b y]\nc: [*a, *a, *b]", "x") == {"a": ["x", "y"], "c": [["x", "y"], ["x", "y"], "y"]}
    assert read_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}", "x")["b"] == {"x": "1", "y": "2"}


@pytest.mark.parametrize("text", [b'"' + b"[,:" * MAX_NODES + b'"', b'["' + b'\\"' * MAX_NODES + b'"]', b"", b'"'])
def test_what_stands_in_text_is_not_counted(text: bytes) -> None:
    assert excess(text) is None
