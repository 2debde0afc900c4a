"""The OpenAPI document: what requests about the configuration may contain, from the marks on the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from imds_mock.config.marks import PRIVILEGED, PRIVILEGED_VALUES, marked_settings
from imds_mock.config.settings import FIXED_SECTIONS, Config
from support.held_mock import HeldMock

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer


@pytest.fixture(scope="module")
def document(signer: Signer) -> dict[str, Any]:
    mock = HeldMock(signer)
    document: dict[str, Any] = mock.call("GET", "/openapi.json").json
    mock.close()
    return document


def is_valid(document: dict[str, Any], method: str, body: Any) -> bool:
    (media,) = document["paths"]["/v1/config"][method]["requestBody"]["content"].values()
    return jsonschema_rs.validator_for({**media["schema"], "components": document["components"]}).is_valid(body)


def test_settings_that_only_the_owner_sets_are_read_only(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    read_only = {
        (name, field)
        for name, schema in schemas.items()
        for field, known in schema.get("properties", {}).items()
        if known.get("readOnly")
    }
    owners = {
        (setting.struct.__name__, setting.path[-1])
        for setting in marked_settings(Config, PRIVILEGED)
        if PRIVILEGED_VALUES not in setting.extra
    }
    assert read_only == owners | {("Config", section) for section in FIXED_SECTIONS}


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ({"credentials": {"source": "static"}}, True),
        ({"credentials": {"source": "profile"}}, False),
        ({"variants": [{"match": {"service": "a"}, "credentials": {"source": "assume-role"}}]}, False),
        ({"variants": [{"match": {"service": "a"}, "instance": {"tags": {"Name": None}}}]}, True),
        ({"variants": [{"match": {"service": None}}]}, False),
        ({"variants": [{"match": {"service": "a"}, "instance": {"regoin": "us-east-1"}}]}, False),
        ({"credentials": {"external_id": "********"}}, True),
        ({"credentials": {"external_id": "* *"}}, False),
        ({"instance": {"local_ipv4": "10.0.1"}, "nothing": 1}, False),
    ],
)
def test_bodies_that_the_document_allows(document: dict[str, Any], method: str, body: Any, allowed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_valid(document, method, body) is allowed


def test_null_restores_a_default_in_a_merge_patch_only(document: dict[str, Any]) -> None:
    assert is_valid(document, "patch", {"instance": {"region": None, "instance_id": None}, "ecs": None})
    assert not is_valid(document, "put", {"instance": {"instance_id": None}})
