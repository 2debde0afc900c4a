"""Marks on settings: the walk over all settings, and the values that a document holds at one."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from imds_mock.config.marks import held_at, known_keys, marked_settings, settings_below


class Inner(Struct):
    secret: Annotated[str, Meta(extra={"m": 1})] = ""


class Outer(Struct):
    plain: int = 0
    inner: Annotated[Inner | None, Meta(description="Optional.")] = None
    many: tuple[Inner, ...] = ()
    named: Annotated[dict[str, Inner], Meta(extra={"m": 2})] = {}


def test_every_field_below_a_type_is_listed_with_the_struct_that_has_it() -> None:
    found = {".".join(known.path): known.struct for known in settings_below(Outer)}
    assert found == {
        **dict.fromkeys(("plain", "inner", "many", "named"), Outer),
        **dict.fromkeys(("inner.secret", "many.*.secret", "named.*.secret"), Inner),
    }
    assert set(known_keys(Outer)) == {("plain",), ("inner",), ("inner", "secret"), ("many",), ("named",)}
    marked = {".".join(setting.path): setting.extra["m"] for setting in marked_settings(Outer, "m")}
    assert marked == {"inner.secret": 1, "many.*.secret": 1, "named": 2, "named.*.secret": 1}


@pytest.mark.parametrize(
    ("document", "path", "held"),
    [
        ({"a": {"b": 1}}, ("a", "b"), {("a", "b"): 1}),
        ({"a": {"b": None}}, ("a", "b"), {("a", "b"): None}),
        ({"a": [{"b": 1}, {}, 3, {"b": 2}]}, ("a", "*", "b"), {("a", 0, "b"): 1, ("a", 3, "b"): 2}),
        ({"a": {"x": {"b": 1}}}, ("a", "*", "b"), {("a", "x", "b"): 1}),
        ({"a": ["b"]}, ("a", "b"), {}),
        ({"a": "b"}, ("a", "b"), {}),
        ({}, ("a",), {}),
        ("text", ("a",), {}),
    ],
)
def test_the_values_that_a_document_holds_at_a_setting(
    document: Any, path: tuple[str, ...], held: dict[Any, Any]
) -> None:
    assert {found.path: found.value for found in held_at(document, path)} == held
