"""Selects the credential source of a role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.config.errors import SettingError
from imds_mock.credentials.generated import GeneratedCredentials, RefusedCredentials, StaticCredentials
from imds_mock.credentials.refreshable import RefreshedCredentials
from imds_mock.credentials.requests import WORKING_SOURCES, request_for
from imds_mock.credentials.values import INSTANCE_IDENTITY, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.roles import CredentialSettings
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.credentials.values import CredentialSource
    from imds_mock.metadata.instance import Instance

_KEYS: Final = ("access_key_id", "secret_access_key", "session_token")


def select_source(
    settings: CredentialSettings,
    instance: Instance,
    role: str,
    refreshable_for: Callable[[CredentialRequest], RefreshableCredentials],
    role_arn: str | None = None,
) -> CredentialSource:
    """The source of a role's credentials.

    Args:
        settings: The configuration's section `credentials`.
        instance: The instance that has the role.
        role: The role's name; `INSTANCE_IDENTITY` always has generated credentials.
        refreshable_for: Provides the credentials of a request, kept up to date.
        role_arn: The role's ARN if it is not derived from the instance's account.
    """
    generated = GeneratedCredentials(
        seed=f"{settings.seed or instance.instance_id}/{role_arn or role}",
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
    if settings.source in WORKING_SOURCES:
        return RefreshedCredentials(role, refreshable_for(request_for(settings, instance, role, role_arn)))
    if settings.source == "static":
        return StaticCredentials(
            settings.access_key_id or "", settings.secret_access_key or "", settings.session_token or "", generated
        )
    return generated


def check_credentials(settings: CredentialSettings) -> None:
    """Check that the settings required by the source are present.

    Args:
        settings: The configuration's section `credentials`.

    Raises:
        SettingError: A setting is missing or contradicts another; names the key.
    """
    given = [key for key in _KEYS if getattr(settings, key) is not None]
    if settings.source == "static":
        for key in _KEYS:
            if key not in given:
                raise SettingError(("credentials", key), "is required when the source is static")
    elif settings.source == "assume-role" and given:
        for key in _KEYS[:2]:
            if key not in given:
                raise SettingError(("credentials", key), f"is required when {given[0]} is set")
        if settings.profile is not None:
            raise SettingError(("credentials", "profile"), "expected either a profile or an access key, not both")
