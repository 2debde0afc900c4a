"""The metadata documents about roles: `iam/` and `identity-credentials/`, with credentials or failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.credentials.refreshable import RefreshedCredentials
from imds_mock.credentials.values import ADVICE, INSTANCE_IDENTITY, CredentialFailure
from imds_mock.metadata import documents
from imds_mock.metadata.documents import RenewableDocument, iso8601
from imds_mock.metadata.rows import DynamicValue
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.roles import CredentialSettings
    from imds_mock.credentials.values import CredentialSource, RoleCredentials
    from imds_mock.metadata.instance import Instance, InstanceProfile

_NOT_FOUND: Final = "InstanceProfileNotFound"
# Observed: `Last-Modified` is one or two seconds earlier than `LastUpdated`.
_MODIFIED_BEFORE_SECONDS: Final = 1.0


class Roles(Record, frozen=True):
    """The documents about an instance's roles.

    Attributes:
        instance: The instance.
        settings: The configuration's section `credentials`.
        source: Returns the source of a role's credentials.
    """

    instance: Instance
    settings: CredentialSettings
    source: Callable[[str], CredentialSource]

    def info(self) -> DynamicValue | None:
        """`iam/info`."""
        profile = self.instance.instance_profile
        if profile is None:
            return None
        if self.settings.failure == _NOT_FOUND:
            message = f"Instance Profile with id {profile.id} cannot be found. {ADVICE}"
            return self._dated(profile.role, lambda at: failure_document(CredentialFailure(_NOT_FOUND, message, at)))
        return self._dated(profile.role, lambda at: _info(profile, at))

    def credentials(self) -> dict[str, DynamicValue]:
        """`iam/security-credentials/`: documents by role."""
        return self._of_role(None)

    def extended(self) -> dict[str, DynamicValue]:
        """`iam/security-credentials-extended/`: documents by role; empty unless enabled."""
        return self._of_role(self.instance.account_id) if self.settings.extended else {}

    def identity_info(self) -> DynamicValue:
        """`identity-credentials/ec2/info`."""
        return self._dated(INSTANCE_IDENTITY, lambda at: _identity_info(self.instance.account_id, at))

    def identity_credentials(self) -> DynamicValue:
        """`identity-credentials/ec2/security-credentials/ec2-instance`."""
        return self._credentials(INSTANCE_IDENTITY, None)

    def _of_role(self, account_id: str | None) -> dict[str, DynamicValue]:
        profile = self.instance.instance_profile
        if profile is None or self.settings.failure == _NOT_FOUND:
            return {}
        return {profile.role: self._credentials(profile.role, account_id)}

    def _credentials(self, role: str, account_id: str | None) -> DynamicValue:
        source = self.source(role)

        def body(now: float) -> bytes | None:
            current = source.current(now)
            if current is None:
                return None
            if isinstance(current, CredentialFailure):
                return failure_document(current)
            document = credentials_document(current, account_id)
            return (
                RenewableDocument.of(document, source.refreshable.renew_after)
                if isinstance(source, RefreshedCredentials)
                else document
            )

        return DynamicValue(
            body,
            lambda now: self._updated(source, now) - _MODIFIED_BEFORE_SECONDS,
            same_during=source.same_during,
        )

    def _dated(self, role: str, write: Callable[[float], bytes]) -> DynamicValue:
        """A document with the time of a role's last credentials."""
        source = self.source(role)
        return DynamicValue(
            lambda now: write(self._updated(source, now)),
            lambda now: self._updated(source, now) - _MODIFIED_BEFORE_SECONDS,
            same_during=source.same_during,
        )

    def _updated(self, source: CredentialSource, now: float) -> float:
        current = source.current(now)
        return self.instance.pending_time if current is None else current.last_updated


def credentials_document(credentials: RoleCredentials, account_id: str | None = None) -> bytes:
    """Write credentials as in `iam/security-credentials/<role>`.

    Args:
        credentials: The credentials.
        account_id: The last field of the extended form; None omits it.
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
    """Write the document that replaces the credentials; EC2 serves it with status 200."""
    last_updated = iso8601(failure.last_updated)
    return documents.write({"Code": failure.code, "Message": failure.message, "LastUpdated": last_updated})


def _info(profile: InstanceProfile, at: float) -> bytes:
    return documents.write(
        {
            "Code": "Success",
            "LastUpdated": iso8601(at),
            "InstanceProfileArn": profile.arn,
            "InstanceProfileId": profile.id,
        }
    )


def _identity_info(account_id: str, at: float) -> bytes:
    return documents.write({"Code": "Success", "LastUpdated": iso8601(at), "AccountId": account_id})
