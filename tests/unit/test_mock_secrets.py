"""Secrets of the configuration: never shown, and left as they are when the mask comes back."""

from __future__ import annotations

from typing import Any

import pytest

from imds_mock.control import secrets
from imds_mock.control.credential_masks import MASK, mask_leaf
from imds_mock.control.secrets import masked, unmasked
from imds_mock.scheduling.fields import FieldError

DOCUMENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"credentials": {"seed": "hush", "renew_seconds": 1}}, {"credentials": {"seed": MASK, "renew_seconds": 1}}),
    ({"credentials": {"seed": None}}, {"credentials": {"seed": None}}),
    ({"other": {"a.b": "hush"}}, {"other": {"a.b": MASK}}),
    ({"other": {"a": {"b": "hush", "c": 1}}}, {"other": {"a": {"b": MASK, "c": 1}}}),
    ({"other": {"x": {"y-z.K": "hush"}}}, {"other": {"x": {"y-z.K": MASK}}}),
    ({"other": {"x.y-z": {"k": "hush"}}}, {"other": {"x.y-z": {"k": MASK}}}),
    ({"other": {"A": {"B": "hush"}}}, {"other": {"A": {"B": MASK}}}),
    ({"other": {"a.B": "one", "a": {"b": "two"}}}, {"other": {"a.B": MASK, "a": {"b": MASK}}}),
    ({"other": {"a": "text"}, "server": {"port": 1}}, {"other": {"a": "text"}, "server": {"port": 1}}),
]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "SECRET_KEYS", (("credentials", "seed"), ("other", "a.b"), ("other", "x.y-z.k")))


@pytest.mark.parametrize(("document", "shown"), DOCUMENTS)
def test_secrets_are_masked_and_come_back(document: dict[str, Any], shown: dict[str, Any]) -> None:
    assert masked(document) == shown
    assert unmasked(shown, document).document == document


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"credentials": {"seed": MASK}}, "credentials.seed"),
        ({"variants": [{"match": {"name": "new"}, "credentials": {"seed": MASK}}]}, "variants[0].credentials.seed"),
        ({"metadata": {"meta-data/iam/security-credentials/r": {"Token": MASK}}},
         "metadata.meta-data/iam/security-credentials/r/Token"),
    ],
)  # fmt: skip
def test_a_mask_that_hides_nothing_is_refused(document: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as raised:
        unmasked(document, {"credentials": {"seed": None}, "metadata": {}})
    assert str(raised.value) == f"{field}: the mask ******** stands for no secret here; send the secret itself"


def test_which_secrets_were_left_masked() -> None:
    current = {"credentials": {"seed": "old"}, "variants": [variant("a", "of a")]}
    assert unmasked(masked(current), current).masked == {"old", "of a"}
    sent = {"credentials": {"seed": "of a"}, "variants": [variant("a", MASK)]}
    assert unmasked(sent, current).masked == frozenset(), "who sends a secret knows it"


def test_a_new_secret_is_taken() -> None:
    new = {"credentials": {"seed": "new"}}
    assert unmasked(new, {"credentials": {"seed": "old"}}).document == new


def variant(name: str, seed: str | None, **match: str | None) -> dict[str, Any]:
    return {"match": {"name": name, **match}, "credentials": {"seed": seed}}


def seeds(document: dict[str, Any]) -> list[str | None]:
    return [each["credentials"]["seed"] for each in document["variants"]]


def test_a_secret_stays_with_its_variant_wherever_that_is_put() -> None:
    current = {"variants": [variant("a", "of a", service=None), variant("b", "of b"), variant("b", "of the second b")]}
    a, b, second = masked(current)["variants"]
    assert seeds(unmasked({"variants": [b, second]}, current).document) == ["of b", "of the second b"]
    assert seeds(unmasked({"variants": [second, b, variant("a", MASK)]}, current).document) == [
        "of b",
        "of the second b",
        "of a",
    ]
    assert seeds(unmasked({"variants": [variant("new", "new"), a, b]}, current).document) == ["new", "of a", "of b"]
    assert seeds(unmasked({"variants": [variant("renamed", MASK), b]}, current).document) == ["of a", "of b"]


ROLE = "meta-data/iam/security-credentials/my-role"
SET: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({ROLE: {"AccessKeyId": "A", "Token": "hush"}}, {ROLE: {"AccessKeyId": "A", "Token": MASK}}),
    ({"meta-data": {"iam": {"security-credentials": {"r": {"$json": {"SecretAccessKey": "hush", "n": 1}}}}}},
     {"meta-data": {"iam": {"security-credentials": {"r": {"$json": {"SecretAccessKey": MASK, "n": 1}}}}}}),
    ({ROLE: '{"Token": "hush", "Code": "Success"}'}, {ROLE: f'{{"Token": "{MASK}", "Code": "Success"}}'}),
    ({f"{ROLE}/SecretAccessKey": {"$text": "hush"}}, {f"{ROLE}/SecretAccessKey": {"$text": MASK}}),
    ({"meta-data/public-keys": {0: {"openssh-key": "k"}}}, {"meta-data/public-keys": {0: {"openssh-key": "k"}}}),
    ({ROLE: ['{"Token":', '"hush"}']}, {ROLE: MASK}),
    ({ROLE: {"$base64": "eyJUb2tlbiI6ICJodXNoIn0="}}, {ROLE: {"$base64": MASK}}),
    ({ROLE: {"$base64": "bm90aGluZw==", "$since": "latest"}}, {ROLE: {"$base64": "bm90aGluZw==", "$since": "latest"}}),
    ({ROLE: {"$json": [{"Token": "hush"}, 1]}}, {ROLE: {"$json": [{"Token": MASK}, 1]}}),
    ({ROLE: '{"of": [{"Token": "hush"}]}'}, {ROLE: f'{{"of": [{{"Token": "{MASK}"}}]}}'}),
    ({ROLE: '{"\\u0054oken": "hush"}'}, {ROLE: f'{{"Token": "{MASK}"}}'}),
    ({ROLE: "SecretAccessKey=hush"}, {ROLE: MASK}),
    ({ROLE: {"Token": ["hush"]}}, {ROLE: {"Token": MASK}}),
    ({"meta-data/iam/security-credentials": ["a", "b"]}, {"meta-data/iam/security-credentials": ["a", "b"]}),
    ({ROLE: None, "meta-data/Token": "no secret"}, {ROLE: None, "meta-data/Token": "no secret"}),
    ({"meta-data/iam/info": '{"Token": "hush"}'}, {"meta-data/iam/info": f'{{"Token": "{MASK}"}}'}),
    ({"latest/meta-data/x": {"$json": {"SecretAccessKey": "hush", "Token": "hush", "n": 1}}},
     {"latest/meta-data/x": {"$json": {"SecretAccessKey": MASK, "Token": MASK, "n": 1}}}),
    ({"meta-data/x": '{"SecretAccessKey": "hush"}'}, {"meta-data/x": f'{{"SecretAccessKey": "{MASK}"}}'}),
    ({"meta-data/x": '{"Secret\\u0041ccessKey": "hush"}'}, {"meta-data/x": f'{{"SecretAccessKey": "{MASK}"}}'}),
    ({"meta-data/x": '{"of": "{\\"SecretAccessKey\\": \\"hush\\"}", "n": 1}'},
     {"meta-data/x": '{"of": "{\\"SecretAccessKey\\": \\"********\\"}", "n": 1}'}),
    ({"meta-data/x": {"$json": {"of": {"SecretAccessKey": "hush", "in": {"Token": "hush"}}, "Token": "hush"}}},
     {"meta-data/x": {"$json": {"of": {"SecretAccessKey": MASK, "in": {"Token": MASK}}, "Token": MASK}}}),
    ({"meta-data/x": {"SecretAccessKey": "hush", "in": {"Token": "hush"}}},
     {"meta-data/x": {"SecretAccessKey": MASK, "in": {"Token": MASK}}}),
    ({"meta-data/x": {"$json": {"Token": "shown"}}}, {"meta-data/x": {"$json": {"Token": "shown"}}}),
    ({"user-data": "SecretAccessKey=hush"}, {"user-data": "SecretAccessKey=hush"}),
]  # fmt: skip


@pytest.mark.parametrize(("leaves", "shown"), SET)
def test_credentials_that_were_set_by_path_are_masked_and_come_back(
    leaves: dict[str, Any], shown: dict[str, Any]
) -> None:
    current = {"metadata": leaves, "variants": [{"match": {"name": "a"}, "metadata": leaves}]}
    hidden = {"metadata": shown, "variants": [{"match": {"name": "a"}, "metadata": shown}]}
    assert masked(current) == hidden
    assert unmasked(hidden, current).document == current


@pytest.mark.parametrize(
    ("leaf", "sent"),
    [
        ({"SecretAccessKey": "hush", "Token": "hush"}, {"Token": MASK}),
        ({"SecretAccessKey": "hush", "in": {"Token": "hush"}}, {"in": {"Token": MASK}}),
        ({"$json": {"of": {"SecretAccessKey": "hush"}, "Token": "hush"}}, {"$json": {"Token": MASK}}),
        ({"$json": {"of": {"SecretAccessKey": "hush"}, "Token": "hush"}}, {"$json": {"of": {"n": 1}, "Token": MASK}}),
    ],
)
def test_a_token_does_not_come_back_without_the_key_that_it_was_hidden_for(
    leaf: dict[str, Any], sent: dict[str, Any]
) -> None:
    current = {"metadata": {"meta-data/x": leaf}}
    meant = unmasked({"metadata": {"meta-data/x": sent}}, current).document
    assert meant == {"metadata": {"meta-data/x": sent}}


def test_credentials_in_documents_of_the_ecs_agent_are_masked_and_come_back() -> None:
    documents = {"/v2/mine": {"SecretAccessKey": "hush", "Token": "hush", "n": 1}, "task": {"Token": "shown"}}
    current = {"ecs": {"documents": documents}, "variants": [{"match": {"name": "a"}, "ecs": {"documents": documents}}]}
    shown = masked(current)
    assert "hush" not in str(shown)
    assert shown["ecs"]["documents"]["/v2/mine"] == {"SecretAccessKey": MASK, "Token": MASK, "n": 1}
    assert tuple(unmasked(shown, current)) == (current, {"hush"})


def test_a_secret_that_is_a_leaf_of_its_own_is_masked() -> None:
    assert mask_leaf(f"{ROLE}/SecretAccessKey", b"hush") == MASK.encode()
    assert mask_leaf(f"{ROLE}/AccessKeyId", b"AKIA") == b"AKIA"
    assert mask_leaf(ROLE, b"SecretAccessKey=hush") == mask_leaf(ROLE, b"Token: \xff") == MASK.encode()
    assert mask_leaf(ROLE, b'[{"Token": "hush"}]') == b'[\n  {\n    "Token" : "********"\n  }\n]'
    assert mask_leaf("meta-data/x/Token", b"hush") == MASK.encode(), "a key may have been beside it"
    assert mask_leaf("meta-data/mac", b"Token") == b"Token"
    assert mask_leaf("meta-data/x", b'{"SecretAccessKey": "hush"}') == b'{\n  "SecretAccessKey" : "********"\n}'
    assert mask_leaf(ROLE, b'{"of": "{\\"Token\\": \\"hush\\"}"}') == b'{\n  "of" : "{\\"Token\\": \\"********\\"}"\n}'
    assert mask_leaf(ROLE, b'{"of": "SecretAccessKey=hush"}') == b'{\n  "of" : "********"\n}'
    assert mask_leaf("meta-data/x", b'{"\\u0053ecretAccessKey": "hush"}') == b'{\n  "SecretAccessKey" : "********"\n}'
    assert mask_leaf("user-data", b"SecretAccessKey=x") == b"SecretAccessKey=x"
