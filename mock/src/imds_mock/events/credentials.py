"""Role credentials that change before their time: rotated, or about to expire.

Both touch what the metadata says, for every role, and leave the error documents of a role that cannot be assumed alone.
New keys have the shape of real ones and are good for nothing; they follow from the event, so they do not change from
one request to the next. In place of keys that work, others that work are fetched.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from datetime import datetime
from hashlib import shake_256
from typing import TYPE_CHECKING, Any, ClassVar, Final

from imds_mock.credentials.documents import RenewableDocument
from imds_mock.events.kind import Course, Event
from imds_mock.metadata import documents
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.schedule import Duration, read_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.metadata.layers import Layer
    from imds_mock.scheduling.schedule import Window

PATHS: Final = (
    "meta-data/iam/security-credentials/*",
    "meta-data/iam/security-credentials-extended/*",
    "meta-data/identity-credentials/ec2/security-credentials/*",
)
_SINCE: Final = "2012-01-12"
_TOKEN_START: Final = "IQoJb3JpZ2luX2Vj"  # noqa: S105 - how every session token begins
_TOKEN_BYTES: Final = 900


class CredentialsRotation(Event, frozen=True, kw_only=True, tag_field="kind", tag="credentials-rotation"):
    """New keys appear; the old ones stay good, as far as a mock can say."""

    renews_credentials: ClassVar[bool] = True

    def layers(self, course: Course) -> Iterator[tuple[str, Layer]]:
        """Every role's document."""
        for path in PATHS:
            yield path, _Rotated(course.window, course.id)


class CredentialsExpiry(Event, frozen=True, kw_only=True, tag_field="kind", tag="credentials-expiry"):
    """The keys that are being served end early.

    Attributes:
        after: How long after the start of the event they expire.
        renew: New keys appear at that moment; otherwise the expired ones are served until the event is over.
    """

    renews_credentials: ClassVar[bool] = True

    after: Duration = 0
    renew: bool = True

    def layers(self, course: Course) -> Iterator[tuple[str, Layer]]:
        """Every role's document."""
        expiry = course.planned.start + read_duration("after", self.after)
        for path in PATHS:
            yield path, _Expiring(course.window, course.id, expiry, self.renew)


@dataclass(frozen=True, slots=True)
class _Rotated:
    window: Window
    seed: str
    since: str = _SINCE

    def body(self, now: float, below: bytes | None) -> bytes | None:
        if now not in self.window:
            return below
        if isinstance(below, RenewableDocument):
            below.renew_after(self.window.start)
            return below
        return _edited(below, self._renew)

    def modified(self, now: float, below: float | None) -> float | None:
        return max(self.window.start, below or 0.0) if now in self.window else below

    def _renew(self, credentials: dict[str, Any]) -> dict[str, Any]:
        return _renewed(credentials, self.seed, self.window.start)


@dataclass(frozen=True, slots=True)
class _Expiring:
    window: Window
    seed: str
    expiry: float
    renew: bool
    since: str = _SINCE

    def body(self, now: float, below: bytes | None) -> bytes | None:
        if now not in self.window:
            return below
        if isinstance(below, RenewableDocument):
            return self._working(below, now)
        if self.renew and now >= self.expiry:
            return _edited(below, lambda credentials: _renewed(credentials, self.seed, self.expiry))
        return _edited(below, self._shorten)

    def _working(self, below: RenewableDocument, now: float) -> bytes | None:
        if self.renew and now >= self.expiry:
            below.renew_after(self.expiry)
            updated = json.loads(below).get("LastUpdated")
            if updated is None or _seconds(updated) >= math.floor(self.expiry):
                return below
        shortened = _edited(below, self._shorten)
        return None if shortened is None else RenewableDocument.of(shortened, below.renew_after)

    def _shorten(self, credentials: dict[str, Any]) -> dict[str, Any]:
        return credentials | {"Expiration": iso8601(self.expiry)}

    def modified(self, now: float, below: float | None) -> float | None:
        if now not in self.window:
            return below
        return max(self.expiry if self.renew and now >= self.expiry else self.window.start, below or 0.0)


def _edited(below: bytes | None, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes | None:
    if below is None:
        return None
    try:
        credentials = json.loads(below)
    except (ValueError, RecursionError):
        # This path is set to something else; it stays what it was set to.
        return below
    if not isinstance(credentials, dict) or credentials.get("Code") != "Success":
        return below
    return documents.write(edit(credentials))


def _renewed(credentials: dict[str, Any], seed: str, at: float) -> dict[str, Any]:
    updated = _seconds(credentials["LastUpdated"])
    if updated >= at:
        # The regular rotation has overtaken the event.
        return credentials
    secret = shake_256(f"{seed} {at} {credentials['AccessKeyId']}".encode()).digest(10 + 30 + _TOKEN_BYTES)
    return credentials | {
        "LastUpdated": iso8601(at),
        "AccessKeyId": "ASIA" + base64.b32encode(secret[:10]).decode(),
        "SecretAccessKey": base64.b64encode(secret[10:40]).decode(),
        "Token": _TOKEN_START + base64.b64encode(secret[40:]).decode(),
        "Expiration": iso8601(at + _seconds(credentials["Expiration"]) - updated),
    }


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
