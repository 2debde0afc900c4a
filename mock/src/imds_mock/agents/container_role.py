"""The role of a container and its credentials: the same as in the metadata, with all overrides and events applied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.credentials.documents import credentials_document, failure_document
from imds_mock.credentials.requests import role_arn_of
from imds_mock.credentials.sources import select_source
from imds_mock.credentials.values import CredentialFailure
from imds_mock.metadata.tree import LATEST
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.roles import CredentialSettings
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.metadata.instance import Instance
    from imds_mock.metadata.tree import Tree

_REQUIRED: Final = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}


class NoCredentialsError(Exception):
    """The role has no credentials.

    Attributes:
        is_refused: STS refuses to assume the role; False if the credentials are not available yet.
    """

    def __init__(self, *, is_refused: bool) -> None:
        super().__init__("refused" if is_refused else "not available yet")
        self.is_refused = is_refused


class ContainerCredentials(Record, frozen=True):
    """Credentials for a container. The `repr` shows no secret.

    Attributes:
        role_arn: ARN of the role.
        document: The metadata's document, with at least `AccessKeyId`, `SecretAccessKey`, `Token` and `Expiration`.
    """

    role_arn: str
    document: dict[str, Any]

    def __repr__(self) -> str:
        return f"ContainerCredentials({self.role_arn!r})"


class ContainerRole(Record, frozen=True):
    """The role of a container.

    Attributes:
        instance: The container's instance.
        settings: The section `credentials` of the configuration.
        refreshable_for: Provides the credentials of a request, kept up to date.
    """

    instance: Instance
    settings: CredentialSettings
    refreshable_for: Callable[[CredentialRequest], RefreshableCredentials]

    @property
    def name(self) -> str | None:
        """Name of the role; None if the instance has none."""
        profile = self.instance.instance_profile
        return None if profile is None else profile.role

    @property
    def arn(self) -> str | None:
        """ARN of the role; None if the instance has none."""
        return None if self.name is None else role_arn_of(self.settings, self.instance, self.name)

    def credentials(self, tree: Tree, now: float) -> ContainerCredentials | None:
        """The role's credentials; None if the instance has no role.

        Args:
            tree: Metadata of the instance.
            now: Seconds since the epoch.

        Raises:
            NoCredentialsError: The role has no credentials.
        """
        name, arn = self.name, self.arn
        if name is None or arn is None:
            return None
        leaf = tree.lookup(LATEST, f"meta-data/iam/security-credentials/{name}", now)
        return _parse(arn, None if leaf is None else leaf.body)

    def credentials_of(self, role_arn: str, now: float) -> ContainerCredentials:
        """The credentials of another role; the first call starts to fetch them.

        Args:
            role_arn: ARN of the role.
            now: Seconds since the epoch.

        Raises:
            NoCredentialsError: The role has no credentials, or they are not available yet.
        """
        source = select_source(
            self.settings, self.instance, role_arn.rpartition("/")[2], self.refreshable_for, role_arn
        )
        current = source.current(now)
        if current is None:
            return _parse(role_arn, None)
        if isinstance(current, CredentialFailure):
            return _parse(role_arn, failure_document(current))
        return _parse(role_arn, credentials_document(current))


def _parse(role_arn: str, body: bytes | None) -> ContainerCredentials:
    try:
        document = None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        document = None  # an override has replaced the document
    if not isinstance(document, dict):
        raise NoCredentialsError(is_refused=False)
    if document.get("Code") != "Success":
        raise NoCredentialsError(is_refused=True)
    if not document.keys() >= _REQUIRED:
        raise NoCredentialsError(is_refused=False)
    return ContainerCredentials(role_arn, document)
