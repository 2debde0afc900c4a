"""Credential sources that need no network: generated keys, configured keys, and a configured refusal.

Generated credentials depend only on a seed and the time. Every process with the same configuration therefore serves the
same ones, and nothing is stored. They are renewed about hourly while the previous ones are valid for hours, as observed
on instances; EC2 promises an overlap of five minutes.

As at AWS, the access key id encodes the account, and the session token starts with the same bytes everywhere and
contains the region. AWS rejects both.
"""

from __future__ import annotations

import base64
import math
from functools import lru_cache
from typing import Final

import msgspec

from imds_mock.credentials.values import CredentialFailure, RoleCredentials, refusal
from imds_mock.metadata.unique_ids import iam_id, random_bytes
from imds_mock.scheduling.window import Window

# Observed on four instances: 6 h 19 min to 6 h 26 min between LastUpdated and Expiration.
_LIFETIME_SECONDS: Final = 6 * 3600 + 19 * 60
_LIFETIME_SPREAD_SECONDS: Final = 7 * 60
_TOKEN_START: Final = b"!\n\torigin_ec\x10\x9f" + b"\xff" * 8 + b"\x01\x1a"
_TOKEN_BYTES: Final = 900
_ROUNDING_SECONDS: Final = 0.001


class GeneratedCredentials(msgspec.Struct, frozen=True):
    """Credentials derived from a seed and the time.

    Attributes:
        seed: Different seeds give different keys.
        account_id: The account encoded in the access key id.
        region: The region in the session token.
        anchor: A renewal time in seconds since the epoch; the others are multiples of `renew_seconds` away.
        renew_seconds: Seconds between two renewals.
        lifetime_seconds: Seconds that each set is valid; None takes the lifetime observed on instances.
    """

    seed: str
    account_id: str
    region: str
    anchor: float
    renew_seconds: float
    lifetime_seconds: float | None = None

    def current(self, now: float) -> RoleCredentials:
        """The credentials at a time (seconds since the epoch)."""
        return _generate(self, self._number(now))

    def same_during(self, now: float) -> Window:
        """From one renewal to the next, or empty close to a renewal, because floats are rounded."""
        start = self.anchor + self._number(now) * self.renew_seconds
        return Window(start + _ROUNDING_SECONDS, start + self.renew_seconds - _ROUNDING_SECONDS)

    def _number(self, now: float) -> int:
        return math.floor((now - self.anchor) / self.renew_seconds)


@lru_cache(maxsize=256)
def _generate(source: GeneratedCredentials, window: int) -> RoleCredentials:
    updated = math.floor(source.anchor + window * source.renew_seconds)
    entropy = random_bytes(_TOKEN_BYTES + 44, "credentials", source.seed, source.account_id, str(window))
    lifetime = source.lifetime_seconds
    if lifetime is None:
        lifetime = _LIFETIME_SECONDS + int.from_bytes(entropy[40:44], "big") % (_LIFETIME_SPREAD_SECONDS + 1)
    region = source.region.encode()
    token = (_TOKEN_START + bytes([len(region)]) + region + b'"' + entropy[44:])[:_TOKEN_BYTES]
    return RoleCredentials(
        access_key_id=iam_id("ASIA", source.account_id, 20, entropy[:5]),
        secret_access_key=base64.b64encode(entropy[10:40]).decode(),
        session_token=base64.b64encode(token).decode(),
        last_updated=updated,
        expiration=updated + math.ceil(lifetime),
    )


class StaticCredentials(msgspec.Struct, frozen=True):
    """Configured keys with generated times. `repr` omits the secrets.

    Attributes:
        access_key_id: The access key id.
        secret_access_key: The secret access key.
        session_token: The session token.
        times: Provides the times of the last update and of the expiration.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str
    times: GeneratedCredentials

    def __repr__(self) -> str:
        return f"StaticCredentials({self.access_key_id!r})"

    def current(self, now: float) -> RoleCredentials:
        """The credentials at a time (seconds since the epoch)."""
        return msgspec.structs.replace(
            self.times.current(now),
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            session_token=self.session_token,
        )

    def same_during(self, now: float) -> Window:
        """From one renewal of the times to the next."""
        return self.times.same_during(now)


class RefusedCredentials(msgspec.Struct, frozen=True):
    """The failure of a role that EC2 cannot assume.

    Attributes:
        role: The role's name.
        times: Provides the time of the last update.
    """

    role: str
    times: GeneratedCredentials

    def current(self, now: float) -> CredentialFailure:
        """The failure at a time (seconds since the epoch)."""
        return refusal(self.role, self.times.current(now).last_updated)

    def same_during(self, now: float) -> Window:
        """From one update to the next."""
        return self.times.same_during(now)
