"""How the metadata shows credentials, and failures in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.metadata import documents
from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.credentials.values import CredentialFailure, RoleCredentials


class WorkingDocument(bytes):
    """A document with credentials that AWS, or who stands for it, has issued.

    Whatever lies over it may change its times; keys that somebody makes up in place of its own would not work. New ones
    are asked for instead.

    Attributes:
        renew_after: Asks for credentials that are newer than a moment in seconds since the epoch.
    """

    renew_after: Callable[[float], None]

    @classmethod
    def of(cls, body: bytes, renew_after: Callable[[float], None]) -> WorkingDocument:
        """Mark a document.

        Args:
            body: The document.
            renew_after: See the class.
        """
        marked = cls(body)
        marked.renew_after = renew_after
        return marked


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
