"""Role credentials that change early: rotated or expired.

Both kinds change the documents of every role, except the error document of a role that cannot be assumed. Generated
keys look like real ones and are derived from the event, so they are the same in every response. Fetched credentials are
replaced by newly fetched ones, because generated keys would not work with AWS.
"""

from __future__ import annotations

import base64
import json
import math
from datetime import datetime
from hashlib import shake_256
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from imds_mock.events.event import Event, Period
from imds_mock.metadata import documents
from imds_mock.metadata.documents import RenewableDocument, iso8601
from imds_mock.scheduling.schedule import Duration, read_duration
from imds_mock.scheduling.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.metadata.layers import Layer

PATHS: Final = (
    "meta-data/iam/security-credentials/*",
    "meta-data/iam/security-credentials-extended/*",
    "meta-data/identity-credentials/ec2/security-credentials/*",
)
_SINCE: Final = "2012-01-12"
_TOKEN_START: Final = "IQoJb3JpZ2luX2Vj"  # noqa: S105 - the beginning of every session token
_TOKEN_BYTES: Final = 900


class CredentialsRotation(Event, frozen=True, kw_only=True, tag="credentials-rotation"):
    """Replace the keys of every role.

    New keys appear in the document of every role.
    """

    command: ClassVar[str] = "credentials rotate"
    renews_credentials: ClassVar[bool] = True

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:
        """The document of every role."""
        for path in PATHS:
            yield path, _Rotated(period.window, period.id)


class CredentialsExpiry(Event, frozen=True, kw_only=True, tag="credentials-expiry"):
    """Expire the keys of every role early.

    The document of every role shows an earlier expiration time. At that time new keys appear; with `renew: false`
    (`--no-renew`) the expired keys stay until the event ends.
    """

    command: ClassVar[str] = "credentials expire"
    renews_credentials: ClassVar[bool] = True

    after: Annotated[Duration, Meta(description="Time from the start to the expiration (default: 0s).")] = 0
    renew: Annotated[bool, Meta(description="Replace the expired keys with new ones.")] = True

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:
        """The document of every role."""
        _word, expiry = self.consequence(period.planned.start)
        for path in PATHS:
            yield path, _Expiring(period.window, period.id, expiry, self.renew)

    def consequence(self, start: float) -> tuple[str, float]:
        """The expiration of the keys."""
        return "expiry", start + read_duration("after", self.after)


class _Rotated(msgspec.Struct, frozen=True):
    window: Window
    seed: str
    since: str = _SINCE

    @property
    def changes(self) -> tuple[float, ...]:
        return self.window.start, self.window.end

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


class _Expiring(msgspec.Struct, frozen=True):
    window: Window
    seed: str
    expiry: float
    renew: bool
    since: str = _SINCE

    @property
    def changes(self) -> tuple[float, ...]:
        return self.window.start, self.window.end, self.expiry

    def body(self, now: float, below: bytes | None) -> bytes | None:
        if now not in self.window:
            return below
        if isinstance(below, RenewableDocument):
            return self._fetched(below, now)
        if self.renew and now >= self.expiry:
            return _edited(below, lambda credentials: _renewed(credentials, self.seed, self.expiry))
        return _edited(below, self._shorten)

    def _fetched(self, below: RenewableDocument, now: float) -> bytes | None:
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
        # The path is overridden with something else, which stays.
        return below
    if not isinstance(credentials, dict) or credentials.get("Code") != "Success":
        return below
    return documents.write(edit(credentials))


def _renewed(credentials: dict[str, Any], seed: str, at: float) -> dict[str, Any]:
    updated = _seconds(credentials["LastUpdated"])
    if updated >= at:
        # The regular rotation has already replaced these keys.
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
