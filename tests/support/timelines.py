"""Armed events, and what a client sees of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from imds_mock.events.armed import (
    ArmedEvents,
)
from imds_mock.events.kinds import AnyEvent
from imds_mock.metadata import documents
from imds_mock.metadata.layers import apply_layers
from imds_mock.metadata.tree import Leaf, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

T0 = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
ROLE = "meta-data/iam/security-credentials/app"
SCHEDULED = "meta-data/events/maintenance/scheduled"
HISTORY = "meta-data/events/maintenance/history"
BASE = {
    "meta-data/instance-id": Leaf(b"i-1"),
    SCHEDULED: Leaf(b"[]", since="2018-08-17"),
    HISTORY: Leaf(b"[]", since="2018-08-17"),
    ROLE: Leaf(
        documents.write(
            {
                "Code": "Success",
                "LastUpdated": "2026-01-31T11:00:00Z",
                "Type": "AWS-HMAC",
                "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "SecretAccessKey": "s" * 40,
                "Token": "IQoJb3JpZ2luX2Vj",
                "Expiration": "2026-01-31T17:00:00Z",
            }
        )
    ),
}


def event(kind: str, **fields: Any) -> AnyEvent:
    """An event of the API."""
    converted: AnyEvent = msgspec.convert({"kind": kind, **fields}, AnyEvent)
    return converted


def armed(*events: AnyEvent, now: float = T0) -> ArmedEvents:
    """A timeline on which events are armed, in this order."""
    timeline = ArmedEvents()
    for each in events:
        timeline = timeline.arm(each, now)
    return timeline


def seen(timeline: ArmedEvents, path: str, now: float, base: Mapping[str, Leaf] = BASE) -> bytes | None:
    """The body at a path; None if it does not exist then."""
    layers = [layer for each in timeline.events for layer in each.event.layers(each.period)]
    found = Tree(apply_layers(base, layers)).lookup("latest", path, now)
    return None if found is None else found.body


def modified(timeline: ArmedEvents, path: str, now: float, base: Mapping[str, Leaf] = BASE) -> float | None:
    """When the leaf at a path has last changed."""
    layers = [layer for each in timeline.events for layer in each.event.layers(each.period)]
    changed = apply_layers(base, layers)[path].modified
    return changed(now) if callable(changed) else changed


def entries(timeline: ArmedEvents, path: str, now: float) -> list[dict[str, str]]:
    """The entries of a list of maintenance."""
    body = seen(timeline, path, now)
    assert body is not None
    read: list[dict[str, str]] = json.loads(body)
    return read
