"""What the metadata says about roles: `iam/` and `identity-credentials/`, good news and bad, as they move with time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imds_mock import documents
from imds_mock.credentials import (
    INSTANCE_IDENTITY,
    CredentialSource,
    RoleCredentials,
    credentials_document,
    failure_document,
)
from imds_mock.rows import Timed
from imds_mock.schedule import iso8601

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.instance import Instance, InstanceProfile
    from imds_mock.settings import CredentialSettings

_ADVICE: Final = (
    "Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/"
    "troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."
)
# Captured: credentials were written a second or two before the time that they give themselves.
_WRITTEN_BEFORE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Roles:
    """The documents about an instance's roles.

    Attributes:
        instance: The instance.
        settings: The configuration's section.
        source: Gives the source of a role's credentials.
    """

    instance: Instance
    settings: CredentialSettings
    source: Callable[[str], CredentialSource]

    def info(self) -> Timed | None:
        """`iam/info`."""
        profile = self.instance.instance_profile
        if profile is None:
            return None
        if self.settings.failure == "InstanceProfileNotFound":
            message = f"Instance Profile with id {profile.id} cannot be found. {_ADVICE}"
            return self._document(profile.role, lambda keys: self._failure(keys, message))
        return self._document(profile.role, lambda keys: _info(keys, profile))

    def credentials(self) -> dict[str, Timed]:
        """`iam/security-credentials/`: role to document."""
        return self._credentials(None)

    def extended(self) -> dict[str, Timed]:
        """`iam/security-credentials-extended/`: role to document, if the instance has it at all."""
        return self._credentials(self.instance.account_id) if self.settings.extended else {}

    def identity_info(self) -> Timed:
        """`identity-credentials/ec2/info`."""
        return self._document(
            INSTANCE_IDENTITY,
            lambda keys: documents.write(
                {
                    "Code": "Success",
                    "LastUpdated": iso8601(keys.last_updated),
                    "AccountId": self.instance.account_id,
                }
            ),
        )

    def identity_credentials(self) -> Timed:
        """`identity-credentials/ec2/security-credentials/ec2-instance`."""
        return self._document(INSTANCE_IDENTITY, credentials_document)

    def _credentials(self, account_id: str | None) -> dict[str, Timed]:
        profile = self.instance.instance_profile
        if profile is None or self.settings.failure == "InstanceProfileNotFound":
            return {}
        if self.settings.failure == "AssumeRoleUnauthorizedAccess":
            message = f"EC2 cannot assume the role {profile.role}.  {_ADVICE}"
            return {profile.role: self._document(profile.role, lambda keys: self._failure(keys, message))}
        return {profile.role: self._document(profile.role, lambda keys: credentials_document(keys, account_id))}

    def _failure(self, keys: RoleCredentials, message: str) -> bytes:
        return failure_document(self.settings.failure or "", message, keys.last_updated)

    def _document(self, role: str, write: Callable[[RoleCredentials], bytes]) -> Timed:
        source = self.source(role)
        return Timed(
            lambda now: write(source.current(now)),
            lambda now: source.current(now).last_updated - _WRITTEN_BEFORE_SECONDS,
        )


def _info(keys: RoleCredentials, profile: InstanceProfile) -> bytes:
    return documents.write(
        {
            "Code": "Success",
            "LastUpdated": iso8601(keys.last_updated),
            "InstanceProfileArn": profile.arn,
            "InstanceProfileId": profile.id,
        }
    )
