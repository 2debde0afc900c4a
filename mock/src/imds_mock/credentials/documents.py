"""The metadata documents that contain credentials or a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.metadata import documents
from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.credentials.values import CredentialFailure, RoleCredentials


class RenewableDocument(bytes):
    """A document with fetched credentials.

    Events may change its times but not its keys, because generated keys would not work. They request new keys instead.

    Attributes:
        renew_after: Requests credentials that are newer than a time in seconds since the epoch.
    """

    renew_after: Callable[[float], None]

    @classmethod
    def of(cls, body: bytes, renew_after: Callable[[float], None]) -> RenewableDocument:
        """Make a document renewable.

        Args:
            body: The document.
            renew_after: See the attribute.
        """
        document = cls(body)
        document.renew_after = renew_after
        return document


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
