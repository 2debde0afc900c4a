"""Merge patches of the configuration (RFC 7396): what null means, and what it cannot stand at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.control.changes import merge_patch
from support.held_mock import HeldMock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.signing.signer import Signer

HUSH = "wJalrXUtnFEMI/K7MDENG-bPxRfiCY"


@pytest.fixture
def mock(signer: Signer) -> Iterator[HeldMock]:
    held = HeldMock(signer, {"instance": {"tags": {"Name": "web"}}})
    yield held
    held.close()


# RFC 7396, appendix A, where both are objects.
@pytest.mark.parametrize(
    ("document", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_patch_is_applied(document: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge_patch(document, patch) == merged


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        ({"nothing": None}, ["nothing"]),
        ({"instance": {"regoin": None}}, ["instance.regoin"]),
        ({"instance": {"managed_ssh_keys": {"x": None}}, "y": None}, ["instance.managed_ssh_keys.x", "y"]),
        ({"control": {HUSH: None}}, ["control"]),
        ({"credentials": {"sesion_token": None}}, ["credentials.sesion_token"]),
    ],
)
def test_null_at_an_unknown_key_is_refused(mock: HeldMock, patch: dict[str, Any], fields: list[str]) -> None:
    reply = mock.call("PATCH", "/v1/config", patch)
    assert reply.status == 422
    assert [error["field"] for error in reply.json["errors"]] == fields
    assert HUSH not in reply.body.decode()
    assert "unknown key" in reply.json["detail"]


def test_null_at_an_unknown_metadata_option_is_refused(mock: HeldMock) -> None:
    reply = mock.call("PATCH", "/v1/metadata-options", {"htp_tokens": None})
    assert (reply.status, reply.json["errors"][0]["field"]) == (422, "metadata_options.htp_tokens")
    assert "did you mean" in reply.json["detail"]


def test_null_gives_a_setting_its_default_and_takes_a_key_out_of_a_mapping(mock: HeldMock) -> None:
    changed = mock.call("PATCH", "/v1/config", {"instance": {"tags": {"Name": None, "other": None}, "role": None}})
    assert (changed.status, changed.json["instance"]["tags"], changed.json["instance"]["role"]) == (200, {}, "my-role")
