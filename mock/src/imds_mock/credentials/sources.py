"""The credentials of a role: made up but alive, or given; and the documents in which the metadata shows them.

Generated ones follow from a seed and the time alone, so every reader at one moment sees the same, in every process that
has the same configuration, and nothing has to be stored. New ones appear about hourly while the old ones still have
hours to go, as observed on instances; EC2 promises an overlap of five minutes.

Facts: the access key id says which account it is for; a session token begins with the same bytes everywhere and names
the region. Neither is any good at AWS.
"""

from __future__ import annotations

import base64
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from imds_mock.metadata import documents
from imds_mock.metadata.documents import iso8601
from imds_mock.metadata.unique_ids import iam_id, random_bytes

if TYPE_CHECKING:
    from imds_mock.config.settings import CredentialSettings
    from imds_mock.metadata.instance import Instance

# Captured from four instances: 6 h 19 min to 6 h 26 min between LastUpdated and Expiration.
_LIFETIME_SECONDS: Final = 6 * 3600 + 19 * 60
_LIFETIME_SPREAD_SECONDS: Final = 7 * 60
_TOKEN_START: Final = b"!\n\torigin_ec\x10\x9f" + b"\xff" * 8 + b"\x01\x1a"
_TOKEN_BYTES: Final = 900

REFUSED: Final = "AssumeRoleUnauthorizedAccess"
ADVICE: Final = (
    "Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/"
    "troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."
)
"""How every failure's message ends."""

INSTANCE_IDENTITY: Final = "aws:ec2-instance"
"""The role that every instance has for itself."""


class RoleCredentials(msgspec.Struct, frozen=True):
    """One set of credentials; times are whole seconds since the epoch. Its secrets never show in `repr`."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    last_updated: float
    expiration: float

    def __repr__(self) -> str:
        return f"RoleCredentials({self.access_key_id!r}, until {iso8601(self.expiration)})"


class CredentialFailure(msgspec.Struct, frozen=True):
    """What there is instead of credentials.

    Attributes:
        code: Such as `AssumeRoleUnauthorizedAccess`.
        message: For people.
        last_updated: Seconds since the epoch.
    """

    code: str
    message: str
    last_updated: float


class CredentialSource(Protocol):
    """Where the credentials of one role come from."""

    def current(self, now: float) -> RoleCredentials | CredentialFailure:
        """What there is at a moment (seconds since the epoch), at once: the data plane asks while it answers."""


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


class StaticCredentials(msgspec.Struct, frozen=True):
    """Keys that were given; only their times move.

    Attributes:
        access_key_id: The access key id.
        secret_access_key: The secret access key.
        session_token: The session token.
        clock: What says when they were last updated and end.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str
    clock: GeneratedCredentials

    def __repr__(self) -> str:
        return f"StaticCredentials({self.access_key_id!r})"

    def current(self, now: float) -> RoleCredentials:
        """The credentials at a moment (seconds since the epoch)."""
        return msgspec.structs.replace(
            self.clock.current(now),
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            session_token=self.session_token,
        )


class RefusedCredentials(msgspec.Struct, frozen=True):
    """No credentials, for EC2 may not assume the role.

    Attributes:
        role: The role.
        clock: What says when this was last updated.
    """

    role: str
    clock: GeneratedCredentials

    def current(self, now: float) -> CredentialFailure:
        """The failure at a moment (seconds since the epoch)."""
        message = f"EC2 cannot assume the role {self.role}.  {ADVICE}"
        return CredentialFailure(REFUSED, message, self.clock.current(now).last_updated)


def source_for(settings: CredentialSettings, instance: Instance, role: str) -> CredentialSource:
    """Choose where the credentials of a role come from.

    Args:
        settings: The configuration's section.
        instance: The instance that asks for them.
        role: The role; `INSTANCE_IDENTITY` always has generated ones.
    """
    generated = GeneratedCredentials(
        seed=f"{settings.seed or instance.instance_id}/{role}",
        account_id=instance.account_id,
        region=instance.region,
        anchor=instance.pending_time,
        renew_seconds=settings.renew_seconds,
        lifetime_seconds=settings.lifetime_seconds,
    )
    if role == INSTANCE_IDENTITY:
        return generated
    if settings.failure == REFUSED:
        return RefusedCredentials(role, generated)
    if settings.source == "static":
        return StaticCredentials(
            settings.access_key_id or "", settings.secret_access_key or "", settings.session_token or "", generated
        )
    return generated


def credentials_document(credentials: RoleCredentials, account_id: str | None = None) -> bytes:
    """Write credentials as `iam/security-credentials/<role>` shows them.

    Args:
        credentials: The credentials.
        account_id: Added at the end, as in the extended form.
    """
    document = {
        "Code": "Success",
        "LastUpdated": iso8601(credentials.last_updated),
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": iso8601(credentials.expiration),
    }
    return documents.write(document if account_id is None else document | {"AccountId": account_id})


def failure_document(failure: CredentialFailure) -> bytes:
    """Write what the metadata shows, with status 200, where there are no credentials."""
    last_updated = iso8601(failure.last_updated)
    return documents.write({"Code": failure.code, "Message": failure.message, "LastUpdated": last_updated})
