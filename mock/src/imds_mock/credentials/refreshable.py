"""Credentials that a refresher keeps up to date, as the source of a role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imds_mock.credentials.values import KEPT_SECONDS, refusal
from imds_mock.records import Record
from imds_mock.scheduling.window import Window

if TYPE_CHECKING:
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.credentials.values import CredentialFailure, RoleCredentials


class RefreshableCredentials(Protocol):
    """The credentials of one request."""

    def valid_at(self, now: float) -> RoleCredentials | None:
        """The last fetched credentials at a time (seconds since the epoch); None if missing or expired."""

    @property
    def refused_at(self) -> float | None:
        """When STS refused to assume the role (seconds since the epoch); None if the last fetch was not refused."""

    def renew_after(self, moment: float) -> None:
        """Request new credentials, unless the current ones are newer than a time (seconds since the epoch)."""


class RefreshedCredentials(Record, frozen=True):
    """The source of a role whose credentials are fetched.

    Attributes:
        role: The role's name.
        refreshable: Its credentials.
    """

    role: str
    refreshable: RefreshableCredentials

    def current(self, now: float) -> RoleCredentials | CredentialFailure | None:
        """The valid credentials, or else the refusal; None as long as neither is known."""
        valid = self.refreshable.valid_at(now)
        if valid is not None:
            return valid
        refused_at = self.refreshable.refused_at
        return None if refused_at is None else refusal(self.role, refused_at)

    def same_during(self, now: float) -> Window:
        """Until the credentials expire. A fetch ends all spans (see `RefresherDependencies.changed`)."""
        valid = self.refreshable.valid_at(now)
        end = now + KEPT_SECONDS
        return Window(now, end if valid is None else min(end, valid.expiration))


class NotRefreshed:
    """No credentials, for a mock without a refresher."""

    refused_at = None

    def __init__(self, request: CredentialRequest) -> None:
        self._request = request

    def valid_at(self, now: float) -> None:
        """None."""

    def renew_after(self, moment: float) -> None:
        """Do nothing."""
