"""Secrets of the configuration: never shown, and left as they are when the mask comes back."""

from __future__ import annotations

from typing import Any

import pytest

from imds_mock.control import secrets
from imds_mock.control.secrets import MASK, masked, unmasked

DOCUMENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"credentials": {"seed": "hush", "renew_seconds": 1}}, {"credentials": {"seed": MASK, "renew_seconds": 1}}),
    ({"credentials": {"seed": None}}, {"credentials": {"seed": None}}),
    ({"other": {"a.b": "hush"}}, {"other": {"a.b": MASK}}),
    ({"other": {"a": {"b": "hush", "c": 1}}}, {"other": {"a": {"b": MASK, "c": 1}}}),
    ({"other": {"a": "text"}, "server": {"port": 1}}, {"other": {"a": "text"}, "server": {"port": 1}}),
]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "SECRET_KEYS", (("credentials", "seed"), ("other", "a.b")))


@pytest.mark.parametrize(("document", "shown"), DOCUMENTS)
def test_secrets_are_masked_and_come_back(document: dict[str, Any], shown: dict[str, Any]) -> None:
    assert masked(document) == shown
    assert unmasked(shown, document) == document


def test_a_mask_that_hides_nothing_is_no_secret() -> None:
    assert unmasked({"credentials": {"seed": MASK}}, {}) == {"credentials": {"seed": None}}


def test_a_new_secret_is_taken() -> None:
    new = {"credentials": {"seed": "new"}}
    assert unmasked(new, {"credentials": {"seed": "old"}}) == new
