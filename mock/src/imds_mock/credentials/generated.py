"""Credentials that are made up, but alive.

They follow from a seed and the time alone, so every reader at one moment sees the same, in every process that has the
same configuration, and nothing has to be stored. New ones appear about hourly while the old ones still have hours to
go, as observed on instances; EC2 promises an overlap of five minutes.

Facts: the access key id says which account it is for; a session token begins with the same bytes everywhere and names
the region. Neither is any good at AWS.
"""

from __future__ import annotations

import base64
import math
from functools import lru_cache
from typing import Final

import msgspec

from imds_mock.credentials.values import RoleCredentials
from imds_mock.metadata.unique_ids import iam_id, random_bytes

# Captured from four instances: 6 h 19 min to 6 h 26 min between LastUpdated and Expiration.
_LIFETIME_SECONDS: Final = 6 * 3600 + 19 * 60
_LIFETIME_SPREAD_SECONDS: Final = 7 * 60
_TOKEN_START: Final = b"!\n\torigin_ec\x10\x9f" + b"\xff" * 8 + b"\x01\x1a"
_TOKEN_BYTES: Final = 900


class GeneratedCredentials(msgspec.Struct, frozen=True):
    """Credentials that follow from a seed and the clock.

    Attributes:
        seed: What they follow from.
        account_id: The account that their ids name.
        region: The region that their tokens name.
        anchor: A moment at which new ones appear, in seconds since the epoch.
        renew_seconds: How long until the next ones appear.
        lifetime_seconds: Their life; None is as long as on instances.
    """

    seed: str
    account_id: str
    region: str
    anchor: float
    renew_seconds: float
    lifetime_seconds: float | None = None

    def current(self, now: float) -> RoleCredentials:
        """The credentials at a moment (seconds since the epoch)."""
        return _generate(self, math.floor((now - self.anchor) / self.renew_seconds))


@lru_cache(maxsize=256)  # a caller or two each; the credentials themselves need no memory
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
