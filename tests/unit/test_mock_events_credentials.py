"""Events that rotate credentials or let them expire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from imds_mock.metadata import documents
from imds_mock.metadata.documents import RenewableDocument
from imds_mock.metadata.tree import Leaf
from support.timelines import BASE, ROLE, T0, armed, event, modified, seen

if TYPE_CHECKING:
    from imds_mock.events.armed import (
        ArmedEvents,
    )


def credentials(timeline: ArmedEvents, now: float) -> dict[str, str]:
    body = seen(timeline, ROLE, now)
    assert body is not None
    read: dict[str, str] = json.loads(body)
    return read


def test_rotated_credentials_are_new_realistic_and_constant() -> None:
    timeline = armed(event("credentials-rotation"))
    before, after, later = (credentials(timeline, T0 + at) for at in (-1, 0, 60))
    assert before["AccessKeyId"] == "ASIAIOSFODNN7EXAMPLE"
    assert after == later
    assert list(after) == list(before)
    assert (after["LastUpdated"], after["Expiration"]) == ("2026-01-31T12:00:00Z", "2026-01-31T18:00:00Z")
    assert after["AccessKeyId"].startswith("ASIA")
    assert after["Token"].startswith("IQoJb3JpZ2luX2Vj")
    assert (len(after["AccessKeyId"]), len(after["SecretAccessKey"])) == (20, 40)
    assert not set(after.values()) & {before[key] for key in ("AccessKeyId", "SecretAccessKey", "Token")}


def test_each_role_gets_keys_of_its_own() -> None:
    other = ROLE.replace("app", "other")
    document = BASE[ROLE].body
    assert isinstance(document, bytes)
    base = {**BASE, other: Leaf(document.replace(b"ASIAIOSFODNN7EXAMPLE", b"ASIAIOSFODNN7ANOTHER"))}
    timeline = armed(event("credentials-rotation"))
    assert seen(timeline, ROLE, T0, base) != seen(timeline, other, T0, base)


@pytest.mark.parametrize(
    ("kind", "fields", "times"),
    [
        ("credentials-rotation", {}, [50, 100, 100, 200]),
        ("credentials-expiry", {"after": 100}, [50, 100, 200, 200]),
        ("credentials-expiry", {"after": 100, "renew": False}, [50, 100, 100, 200]),
    ],
)
def test_credentials_are_modified_by_the_latest_change(kind: str, fields: dict[str, Any], times: list[float]) -> None:
    base = {**BASE, ROLE: replace(BASE[ROLE], modified=lambda now: T0 + (200 if now >= T0 + 250 else 50))}
    timeline = armed(event(kind, **{"in": 100}, **fields))
    assert [modified(timeline, ROLE, T0 + at, base) for at in (99, 100, 210, 250)] == [T0 + each for each in times]


def test_credentials_expire_early_and_are_renewed_then() -> None:
    timeline = armed(event("credentials-expiry", after="30s"))
    first = credentials(timeline, T0)
    assert (first["AccessKeyId"], first["Expiration"]) == ("ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:30Z")
    second = credentials(timeline, T0 + 30)
    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert (second["LastUpdated"], second["Expiration"]) == ("2026-01-31T12:00:30Z", "2026-01-31T18:00:30Z")


def test_credentials_may_stay_expired_until_the_event_is_over() -> None:
    timeline = armed(event("credentials-expiry", renew=False, **{"for": "5m"}))
    assert credentials(timeline, T0 + 299)["Expiration"] == "2026-01-31T12:00:00Z"
    assert credentials(timeline, T0 + 300)["Expiration"] == "2026-01-31T17:00:00Z"


@pytest.mark.parametrize("body", [b'{\n  "Code" : "AssumeRoleUnauthorizedAccess"\n}', b"not json", b"[1]"])
@pytest.mark.parametrize("kind", ["credentials-rotation", "credentials-expiry"])
def test_documents_without_credentials_stay_as_they_are(kind: str, body: bytes) -> None:
    assert seen(armed(event(kind)), ROLE, T0 + 1, {ROLE: Leaf(body)}) == body


@pytest.mark.parametrize("updated", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"])
def test_a_regular_rotation_at_the_same_time_or_later_wins(updated: str) -> None:
    newer = documents.write(
        {
            "Code": "Success",
            "LastUpdated": updated,
            "AccessKeyId": "ASIANEWER",
            "Expiration": "2026-01-31T19:00:00Z",
        }
    )
    assert seen(armed(event("credentials-rotation")), ROLE, T0 + 4000, {ROLE: Leaf(newer)}) == newer


class Issuer:
    """Who issues keys that work; new ones when they are asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.document: dict[str, str] = credentials(armed(), T0)

    def renew_after(self, moment: float) -> None:
        self.asked.append(moment)

    def issue(self, number: int, at: str) -> None:
        self.document |= {"AccessKeyId": f"ASIA{number}", "LastUpdated": at}

    def body(self, _now: float) -> bytes:
        return RenewableDocument.of(documents.write(self.document), self.renew_after)


def shown(timeline: ArmedEvents, issuer: Issuer, now: float) -> list[str]:
    read = json.loads(seen(timeline, ROLE, now, {ROLE: Leaf(issuer.body)}) or b"")
    return [read["AccessKeyId"], read["Expiration"]]


def test_fetched_keys_are_rotated_by_fetching_new_ones() -> None:
    issuer = Issuer()
    timeline = armed(event("credentials-rotation", **{"in": 10}))
    assert shown(timeline, issuer, T0) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T17:00:00Z"]
    assert issuer.asked == []
    assert shown(timeline, issuer, T0 + 10)[0] == "ASIAIOSFODNN7EXAMPLE"
    assert issuer.asked == [T0 + 10]
    issuer.issue(2, "2026-01-31T12:00:11Z")
    assert shown(timeline, issuer, T0 + 11)[0] == "ASIA2"


def test_fetched_keys_show_an_early_expiration_and_are_fetched_again_then() -> None:
    issuer = Issuer()
    timeline = armed(event("credentials-rotation"), event("credentials-expiry", after="30s"))
    assert shown(timeline, issuer, T0 + 29) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:30Z"]
    assert issuer.asked == [T0]
    assert shown(timeline, issuer, T0 + 30) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:30Z"]
    assert issuer.asked == [T0, T0, T0 + 30]
    issuer.issue(2, "2026-01-31T12:00:30Z")
    assert shown(timeline, issuer, T0 + 31) == ["ASIA2", "2026-01-31T17:00:00Z"]


def test_fetched_keys_may_stay_expired() -> None:
    issuer = Issuer()
    timeline = armed(event("credentials-expiry", renew=False))
    assert shown(timeline, issuer, T0 + 99) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:00Z"]
    assert issuer.asked == []
