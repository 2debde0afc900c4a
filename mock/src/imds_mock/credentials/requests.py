"""Orders for working credentials, which AWS or who stands for it is asked for, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from imds_mock.config.roles import CredentialSettings
    from imds_mock.metadata.instance import Instance

WORKING_SOURCES: Final = frozenset({"profile", "assume-role"})
"""Sources whose credentials have to be fetched."""


class CredentialRequest(msgspec.Struct, frozen=True):
    """Which credentials are wanted; two that are equal are fetched once. Its secrets never show in `repr`.

    Attributes:
        region: Whose STS is asked.
        duration_seconds: Life asked for.
        renew_seconds: After this time at the latest they are fetched again.
        profile: Profile of the AWS configuration files; None takes what variables and files say.
        role_arn: The role to assume; None takes the profile's own credentials.
        session_name: Session name of the assumed role.
        external_id: External id that the role asks for.
        endpoint_url: STS; None is AWS's own.
        access_key_id: What STS is called with in place of a profile.
        secret_access_key: Belongs to it.
        session_token: Belongs to it.
        instance_id: The instance that assumes the role; two never share keys, even under one session name.
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
        return f"Order({self.subject!r})"

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        return self.role_arn or (f"profile {self.profile}" if self.profile else "the default profile")


class Fetched(msgspec.Struct, frozen=True):
    """Credentials as they were given out.

    Attributes:
        access_key_id: The access key id.
        secret_access_key: The secret access key.
        session_token: The session token.
        expiration: Their end in seconds since the epoch; None if nobody said.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: float | None

    def __repr__(self) -> str:
        return f"Fetched({self.access_key_id!r})"


Problem = Literal["refused", "unreachable", "other"]


class FetchError(Exception):
    """Credentials cannot be had; the sentence says why and what to do, and holds no secret.

    Attributes:
        problem: `refused` (STS says that the role may not be assumed), `unreachable` (trying again may help at any
            moment) or `other` (somebody has to do something).
    """

    def __init__(self, problem: Problem, sentence: str) -> None:
        super().__init__(sentence)
        self.problem: Problem = problem


def request_for(
    settings: CredentialSettings, instance: Instance, role: str, role_arn: str | None = None
) -> CredentialRequest:
    """The order for the credentials of a role.

    EC2 names the session after the instance, so instances that have the same role get keys of their own each
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2.html).

    Args:
        settings: The configuration's section; its source is one of `WORKING_SOURCES`.
        instance: The instance that asks for them.
        role: The role.
        role_arn: Its ARN, where it is none of the instance's account.
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
    """The ARN of a role: the configured one for the instance's own role, otherwise that of its name in the account.

    Args:
        settings: The configuration's section.
        instance: The instance.
        role: The role.
    """
    profile = instance.instance_profile
    if settings.role_arn is not None and profile is not None and role == profile.role:
        return settings.role_arn
    return f"arn:{instance.partition.name}:iam::{instance.account_id}:role/{role}"
