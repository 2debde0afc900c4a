"""Requests for credentials that AWS, or a stand-in for it, issues, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from imds_mock.config.roles import CredentialSettings
    from imds_mock.metadata.instance import Instance

WORKING_SOURCES: Final = frozenset({"profile", "assume-role"})
"""Sources whose credentials are fetched, and therefore work at AWS."""


class CredentialRequest(msgspec.Struct, frozen=True):
    """The credentials to fetch; equal requests are fetched once. `repr` omits the secrets.

    Attributes:
        region: The region whose STS is called.
        duration_seconds: The requested lifetime.
        renew_seconds: The longest time between two fetches.
        profile: Profile of the AWS configuration files; None takes the default of the variables and files.
        role_arn: The role to assume; None takes the profile's own credentials.
        session_name: Session name of the assumed role.
        external_id: External id that the role requires.
        endpoint_url: URL of STS; None is the one of AWS.
        access_key_id: Access key for the call to STS, instead of a profile.
        secret_access_key: Secret of this access key.
        session_token: Session token of this access key.
        instance_id: The instance that assumes the role; instances never share keys, even with the same session name.
    """

    region: str
    duration_seconds: int
    renew_seconds: float
    profile: str | None = None
    role_arn: str | None = None
    session_name: str = ""
    external_id: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    instance_id: str = ""

    def __repr__(self) -> str:
        return f"CredentialRequest({self.display_name!r})"

    @property
    def display_name(self) -> str:
        """The role or profile, for messages."""
        return self.role_arn or (f"profile {self.profile}" if self.profile else "the default profile")


class FetchedCredentials(msgspec.Struct, frozen=True):
    """Credentials as issued. `repr` omits the secrets.

    Attributes:
        access_key_id: The access key id.
        secret_access_key: The secret access key.
        session_token: The session token.
        expiration: Seconds since the epoch; None if unknown.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: float | None

    def __repr__(self) -> str:
        return f"FetchedCredentials({self.access_key_id!r})"


FetchProblem = Literal["refused", "unreachable", "other"]


class FetchError(Exception):
    """Credentials cannot be fetched. The message says why and what to do, and contains no secret.

    Attributes:
        problem: `refused` (STS refuses to assume the role), `unreachable` (a retry may succeed) or `other` (the user
            must act first).
    """

    def __init__(self, problem: FetchProblem, message: str) -> None:
        super().__init__(message)
        self.problem: FetchProblem = problem


def request_for(
    settings: CredentialSettings, instance: Instance, role: str, role_arn: str | None = None
) -> CredentialRequest:
    """The request for the credentials of a role.

    EC2 names the session after the instance, so instances with the same role have different keys
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2.html).

    Args:
        settings: The configuration's section `credentials`; its source is one of `WORKING_SOURCES`.
        instance: The instance that has the role.
        role: The role's name.
        role_arn: The role's ARN if it is not derived from the instance's account.
    """
    if settings.source == "profile":
        return CredentialRequest(
            instance.region,
            settings.duration_seconds,
            settings.renew_seconds,
            settings.profile,
            endpoint_url=settings.endpoint_url,
        )
    return CredentialRequest(
        instance.region,
        settings.duration_seconds,
        settings.renew_seconds,
        settings.profile,
        role_arn or role_arn_of(settings, instance, role),
        settings.session_name or instance.instance_id,
        settings.external_id,
        settings.endpoint_url,
        settings.access_key_id,
        settings.secret_access_key,
        settings.session_token,
        instance.instance_id,
    )


def role_arn_of(settings: CredentialSettings, instance: Instance, role: str) -> str:
    """The ARN of a role: the configured one for the instance's own role, otherwise one in the instance's account.

    Args:
        settings: The configuration's section `credentials`.
        instance: The instance.
        role: The role's name.
    """
    profile = instance.instance_profile
    if settings.role_arn is not None and profile is not None and role == profile.role:
        return settings.role_arn
    return f"arn:{instance.partition.name}:iam::{instance.account_id}:role/{role}"
