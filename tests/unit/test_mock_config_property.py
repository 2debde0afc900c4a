"""Any document, file or variable is a configuration, or a line about each problem."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.build.loading import document_of, from_document, load
from imds_mock.config.errors import ConfigError
from imds_mock.config.marks import known_keys
from imds_mock.config.settings import Config
from imds_mock.config.sources import merge, variables
from support.configurations import NO_FLAGS

if TYPE_CHECKING:
    from pathlib import Path


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
