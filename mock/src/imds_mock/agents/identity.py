"""Whose credentials a container gets: those that the metadata shows the same caller, with all that lies over them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imds_mock.credentials.documents import credentials_document, failure_document
from imds_mock.credentials.requests import role_arn_of
from imds_mock.credentials.sources import select_source
from imds_mock.credentials.values import CredentialFailure
from imds_mock.metadata.tree import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.roles import CredentialSettings
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.metadata.instance import Instance
    from imds_mock.metadata.tree import Tree

_NEEDED: Final = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}


class NoCredentialsError(Exception):
    """There are none.

    Attributes:
        refused: STS says that the role may not be assumed; otherwise they are not there yet.
    """

    def __init__(self, *, refused: bool) -> None:
        super().__init__("refused" if refused else "not there yet")
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Grant:
    """Credentials for a container; the document is the metadata's. No `repr`, so that no secret shows.

    Attributes:
        role_arn: The role.
        document: `AccessKeyId`, `SecretAccessKey`, `Token`, `Expiration` and what else the metadata says.
    """

    role_arn: str
    document: dict[str, Any]

    def __repr__(self) -> str:
        return f"Grant({self.role_arn!r})"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a container is.

    Attributes:
        instance: The instance that it has.
        settings: The configuration's section about credentials.
        keep: Has working credentials fetched and kept fresh.
    """

    instance: Instance
    settings: CredentialSettings
    keep: Callable[[CredentialRequest], RefreshableCredentials]

    @property
    def role(self) -> str | None:
        """Its role; None if it has none."""
        profile = self.instance.instance_profile
        return None if profile is None else profile.role

    @property
    def role_arn(self) -> str | None:
        """The ARN of its role."""
        return None if self.role is None else role_arn_of(self.settings, self.instance, self.role)

    def own(self, tree: Tree, now: float) -> Grant | None:
        """The credentials of its role.

        Args:
            tree: The metadata that it sees.
            now: Seconds since the epoch.

        Returns:
            None if it has no role.

        Raises:
            NoCredentialsError: It has one, but no credentials.
        """
        role, role_arn = self.role, self.role_arn
        if role is None or role_arn is None:
            return None
        found = tree.lookup(LATEST, f"meta-data/iam/security-credentials/{role}", now)
        return _grant(role_arn, None if found is None else found.body)

    def of_role(self, role_arn: str, now: float) -> Grant:
        """The credentials of another role.

        Args:
            role_arn: Its ARN.
            now: Seconds since the epoch.

        Raises:
            NoCredentialsError: There are none, or not yet: asking for them has them fetched.
        """
        source = select_source(self.settings, self.instance, role_arn.rpartition("/")[2], self.keep, role_arn)
        current = source.current(now)
        if current is None:
            return _grant(role_arn, None)
        if isinstance(current, CredentialFailure):
            return _grant(role_arn, failure_document(current))
        return _grant(role_arn, credentials_document(current))


def _grant(role_arn: str, body: bytes | None) -> Grant:
    try:
        document = None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        # The path is set to something else.
        document = None
    if not isinstance(document, dict):
        raise NoCredentialsError(refused=False)
    if document.get("Code") != "Success":
        raise NoCredentialsError(refused=True)
    if not document.keys() >= _NEEDED:
        raise NoCredentialsError(refused=False)
    return Grant(role_arn, document)
