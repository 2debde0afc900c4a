"""A secret that a call left masked goes nowhere else than before: what decides that requires the secret itself."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import pytest

from imds_mock.control.credential_masks import MASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.held_mock import HeldMock

KEYS: Final = {"access_key_id": "AKIA", "secret_access_key": "hush-key", "session_token": "hush-token"}
ASSUMING: Final = {"source": "assume-role", **KEYS, "external_id": "hush-id"}
STATIC: Final = {"source": "static", **KEYS}
SHOWN_KEYS: Final = {**KEYS, "secret_access_key": MASK, "session_token": MASK}
A: Final = {"match": {"service": "a"}}
B: Final = {"match": {"service": "b"}}
ANY: Final = {"match": {"network": "0.0.0.0/0"}}
KEPT: Final = {"match": {"address": "172.18.0.9"}}
HIDDEN: Final = {"access_key_id": "AKIA", "secret_access_key": MASK, "session_token": MASK, "external_id": MASK}
MANY: Final = [
    {"match": {"service": f"s{place}"}, "instance": {"region": "eu-west-1", "availability_zone": "eu-west-1a"}}
    for place in range(48)
]
OWN_KEYS: Final = [{"match": {"service": f"s{place}"}, "credentials": STATIC} for place in range(48)]
HIDDEN_KEYS: Final = [{**each, "credentials": {**STATIC, **SHOWN_KEYS}} for each in OWN_KEYS]
ROLE: Final = "meta-data/iam/security-credentials/my-role"
AEMM_KEYS: Final = {"metadata.values.iam-security-credentials.secretaccesskey": "hush-key"}


ELSEWHERE: Final[list[tuple[dict[str, Any], dict[str, Any], str]]] = [
    # Served, where it was for STS.
    ({"credentials": ASSUMING}, {"credentials": {"source": "static"}}, "credentials.secret_access_key"),
    ({"credentials": ASSUMING}, {"credentials": {"source": "static", **SHOWN_KEYS}}, "credentials.secret_access_key"),
    ({"credentials": ASSUMING}, {"variants": [{**A, "credentials": {"source": "static"}}]},
     "credentials.secret_access_key"),
    ({"credentials": ASSUMING},
     {"variants": [{**A, "credentials": {"source": "static", "secret_access_key": "sent"}}]},
     "credentials.session_token"),
    ({"credentials": {**KEYS, "source": "generated"}}, {"credentials": {"source": "static"}},
     "credentials.secret_access_key"),
    ({"variants": [{**A, "credentials": ASSUMING}]}, {"variants": [{**A, "credentials": {**ASSUMING, **STATIC,
      "secret_access_key": MASK, "session_token": MASK, "external_id": MASK}}]},
     "variants[0].credentials.secret_access_key"),
    # Two variants together: the keys of one, the source of the other.
    ({"variants": [{**A, "credentials": {**KEYS, "source": "generated"}}]},
     {"credentials": {"access_key_id": "AKIA", "secret_access_key": "sent", "session_token": "sent"},
      "variants": [{**A, "credentials": {**SHOWN_KEYS, "source": "generated"}},
                   {"match": {"name": "a-*"}, "credentials": {"source": "static"}}]},
     "variants[0].credentials.secret_access_key"),
    # Served to other callers.
    ({"variants": [{**A, "credentials": STATIC}]}, {"variants": [{**B, "credentials": {**STATIC, **SHOWN_KEYS}}]},
     "variants[0].credentials.secret_access_key"),
    ({"variants": [{**A, "credentials": STATIC}]},
     {"variants": [{"match": {"name": "*"}, "credentials": {**STATIC, **SHOWN_KEYS}}]},
     "variants[0].credentials.secret_access_key"),
    # Three variants together: the keys of one, the source of another, and the region of a third.
    ({"variants": [{**A, "credentials": {**ASSUMING, "source": "generated"}},
                   {**ANY, "credentials": {"source": "assume-role"}}]},
     {"variants": [{**A, "credentials": {**HIDDEN, "source": "generated"}},
                   {**ANY, "credentials": {"source": "assume-role"}},
                   {"match": {"name": "*"}, "instance": {"region": "cn-north-1"}}]},
     "variants[0].credentials.secret_access_key"),
    # The same three, of which two were for other callers than the third.
    ({"credentials": {"source": "assume-role"},
      "variants": [{**A, "credentials": {**HIDDEN, **KEYS, "source": "generated", "external_id": "hush-id"}},
                   {**B, "credentials": {"source": "assume-role"}, "instance": {"region": "cn-north-1"}},
                   {**ANY, "instance": {"account_id": "999999999999"}}]},
     {"variants": [{**A, "credentials": {**HIDDEN, "source": "generated"}},
                   {**B, "credentials": {"source": "assume-role"}, "instance": {"region": "cn-north-1"}},
                   {**A, "instance": {"account_id": "999999999999"}}]},
     "variants[0].credentials.external_id"),
    # In another order.
    ({"variants": [{**A, "instance": {"region": "cn-north-1"}},
                   {**ANY, "instance": {"region": "eu-west-1"}, "credentials": ASSUMING}]},
     {"variants": [{**ANY, "instance": {"region": "eu-west-1"}, "credentials": {**HIDDEN, "source": "assume-role"}},
                   {**A, "instance": {"region": "cn-north-1"}}]},
     "variants[0].credentials.secret_access_key"),
    # More ways than are compared.
    ({"credentials": ASSUMING, "variants": MANY}, {"variants": [*MANY, {**A, "instance": {"region": "cn-north-1"}}]},
     "credentials.secret_access_key"),
    ({"variants": OWN_KEYS}, {"variants": [*HIDDEN_KEYS, {**ANY, "credentials": {"source": "generated"}}]},
     "variants[0].credentials.secret_access_key"),
    # By path.
    ({"variants": [{**A, "metadata": {ROLE: {"$json": {"SecretAccessKey": "hush-key"}}}}]},
     {"variants": [{**B, "metadata": {ROLE: {"$json": {"SecretAccessKey": MASK}}}}]}, "variants[0].metadata"),
    # To STS of another partition, or into another account's logs.
    ({"credentials": ASSUMING}, {"instance": {"region": "cn-north-1"}}, "credentials.secret_access_key"),
    ({"credentials": ASSUMING}, {"instance": {"account_id": "999999999999"}}, "credentials.external_id"),
    ({"credentials": ASSUMING}, {"credentials": {"role_arn": "arn:aws:iam::999999999999:role/x"}},
     "credentials.external_id"),
    ({"credentials": ASSUMING}, {"ecs": {"any_role": True}}, "credentials.external_id"),
    ({"credentials": ASSUMING}, {"variants": [{**A, "instance": {"account_id": "999999999999"}}]},
     "credentials.external_id"),
    # In the drop-in's words.
    ({"aemm": AEMM_KEYS}, {"compatibility": "aemm"}, "aemm"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "change", "field"), ELSEWHERE)
def test_a_masked_secret_goes_nowhere_else(
    started: Callable[..., HeldMock], document: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    mock = started(document)
    before = mock.call("GET", "/v1/config").json
    orders = list(mock.orders)
    reply = mock.call("PATCH", "/v1/config", change)
    assert (reply.status, reply.json["errors"][0]["field"]) == (422, field)
    assert "send the secret" in reply.json["detail"]
    assert mock.call("GET", "/v1/config").json == before
    assert mock.orders == orders
    assert b"hush" not in reply.body + mock.get(f"/latest/{ROLE}").body


@pytest.mark.parametrize(
    ("document", "change"),
    [
        ({"credentials": STATIC, "variants": [{**KEPT, "credentials": {"source": "generated"}}]}, {"variants": []}),
        ({"credentials": STATIC, "variants": [{**KEPT, "credentials": {"source": "generated"}}]},
         {"variants": [{**B, "credentials": {"source": "generated"}}]}),
        ({"credentials": STATIC, "variants": [{**KEPT, "credentials": {"source": "generated"}}]},
         {"variants": [{**KEPT, "credentials": {"source": "static"}}]}),
        ({"credentials": STATIC,
          "variants": [{**KEPT, "credentials": {"secret_access_key": "sent", "session_token": "sent"}}]},
         {"variants": [KEPT]}),
        ({"metadata": {ROLE: {"$json": {"SecretAccessKey": "hush-key"}}},
          "variants": [{**KEPT, "metadata": {ROLE: None}}]}, {"variants": []}),
    ],
)  # fmt: skip
def test_a_masked_secret_is_not_served_to_those_whom_a_variant_keeps_it_from(
    started: Callable[..., HeldMock], document: dict[str, Any], change: dict[str, Any]
) -> None:
    mock = started(document)
    assert b"hush" not in mock.get(f"/latest/{ROLE}", "172.18.0.9").body
    assert b"hush" in mock.get(f"/latest/{ROLE}").body
    reply = mock.call("PATCH", "/v1/config", change)
    assert (reply.status, "send the secret" in reply.json["detail"]) == (422, True)
    assert b"hush" not in mock.get(f"/latest/{ROLE}", "172.18.0.9").body


SENT: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({"credentials": ASSUMING}, {"credentials": STATIC}),
    ({"credentials": ASSUMING}, {"instance": {"account_id": "999999999999"}, "credentials": {"external_id": "new"}}),
    ({"variants": [{**A, "credentials": STATIC}]}, {"variants": [{**B, "credentials": STATIC}]}),
    ({"compatibility": "aemm", "aemm": AEMM_KEYS}, {"aemm": {"spot.action": "stop"}}),
]


@pytest.mark.parametrize(("document", "change"), SENT)
def test_a_secret_that_is_sent_goes_where_it_is_sent(
    started: Callable[..., HeldMock], document: dict[str, Any], change: dict[str, Any]
) -> None:
    assert started(document).call("PATCH", "/v1/config", change).status == 200


@pytest.mark.parametrize(
    ("document", "change"),
    [
        ({"credentials": ASSUMING}, {"instance": {"region": "eu-west-1", "role": "other"}}),
        ({"credentials": ASSUMING}, {"credentials": {"role_arn": "arn:aws:iam::123456789012:role/x"}}),
        ({"credentials": STATIC}, {"variants": [{**A, "instance": {"role": "other"}}]}),
        ({"credentials": STATIC}, {"credentials": {"source": "generated"}}),
        ({"credentials": STATIC}, {"variants": [{**A, "credentials": {"source": "generated"}}]}),
        ({"credentials": STATIC, "variants": [{**A, "credentials": {"source": "generated"}}]},
         {"variants": [{**B, "instance": {"role": "b"}}, {**A, "credentials": {"source": "generated", "seed": "x"}}]}),
        ({"credentials": ASSUMING, "variants": [{**A, "instance": {"account_id": "999999999999"}}]},
         {"variants": [{**B, "instance": {"account_id": "999999999999"}}]}),
        ({"credentials": ASSUMING, "variants": MANY}, {"variants": [*MANY, {**A, "instance": {"role": "other"}}]}),
        ({"variants": OWN_KEYS}, {"variants": [{**ANY, "instance": {"role": "other"}}, *HIDDEN_KEYS]}),
        ({"credentials": ASSUMING, "variants": MANY[:3]}, {"variants": MANY[1:3]}),
        ({"variants": [{**A, "credentials": STATIC}]},
         {"variants": [B, {"match": {"service": "a", "name": None}, "credentials": {**STATIC, **SHOWN_KEYS}}]}),
        ({"variants": [{**A, "credentials": {"seed": "hush"}}]},
         {"variants": [{**B, "credentials": {"seed": MASK}}]}),
    ],
)  # fmt: skip
def test_a_masked_secret_stays_where_it_is(
    started: Callable[..., HeldMock], document: dict[str, Any], change: dict[str, Any]
) -> None:
    mock = started(copy.deepcopy(document))
    reply = mock.call("PATCH", "/v1/config", change)
    assert reply.status == 200, reply
    assert b"hush" not in reply.body


def test_static_keys_are_served_to_whom_they_are_for(started: Callable[..., HeldMock]) -> None:
    mock = started({"credentials": STATIC})
    assert b"hush-key" in mock.get(f"/latest/{ROLE}").body
    assert mock.call("PATCH", "/v1/config", {"credentials": {"source": "generated"}}).status == 200
    assert b"hush" not in mock.get(f"/latest/{ROLE}").body
    reply = mock.call("PATCH", "/v1/config", {"credentials": {"source": "static"}})
    assert reply.status == 422, "what is not served now is not served again without the secret"
    assert mock.call("POST", "/v1/reset").status == 204
    assert b"hush-key" in mock.get(f"/latest/{ROLE}").body


def test_the_drop_in_s_keys_are_masked_wherever_its_paths_put_them(started: Callable[..., HeldMock]) -> None:
    mock = started({"compatibility": "aemm", "aemm": AEMM_KEYS})
    moved = {"aemm": {"metadata.paths.iam-security-credentials": "/latest/meta-data/elsewhere"}}
    assert mock.call("PATCH", "/v1/config", moved).status == 200
    assert b"hush-key" in mock.get("/latest/meta-data/elsewhere").body
    shown = mock.call("GET", "/v1/metadata/meta-data/elsewhere")
    assert (shown.status, b"hush" in shown.body, b"SecretAccessKey" in shown.body) == (200, False, True)
