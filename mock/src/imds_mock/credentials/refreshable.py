"""Credentials that somebody else fetches and keeps fresh, as a role's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from imds_mock.credentials.values import refusal

if TYPE_CHECKING:
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.credentials.values import CredentialFailure, RoleCredentials


class RefreshableCredentials(Protocol):
    """What there is for one order."""

    def held(self, now: float) -> RoleCredentials | None:
        """The last credentials that were fetched, as long as they are good.

        Args:
            now: Seconds since the epoch.
        """

    @property
    def refused_at(self) -> float | None:
        """When STS said last that the role may not be assumed, in seconds since the epoch; None if it does not."""

    def renew_after(self, moment: float) -> None:
        """Have new credentials fetched, unless those that are there are newer than a moment.

        Args:
            moment: Seconds since the epoch.
        """


@dataclass(frozen=True, slots=True)
class RefreshedCredentials:
    """Credentials of a role.

    Attributes:
        role: The role.
        kept: What there is for it.
    """

    role: str
    kept: RefreshableCredentials

    def current(self, now: float) -> RoleCredentials | CredentialFailure | None:
        """The last good ones; without any, the refusal; None before anything is known.

        Args:
            now: Seconds since the epoch.
        """
        held = self.kept.held(now)
        if held is not None:
            return held
        refused_at = self.kept.refused_at
        return None if refused_at is None else refusal(self.role, refused_at)


class NotRefreshed:
    """In place of credentials where nobody fetches any."""

    refused_at = None

    def __init__(self, order: CredentialRequest) -> None:
        self._order = order

    def held(self, now: float) -> None:
        """There are none.

        Args:
            now: Seconds since the epoch.
        """

    def renew_after(self, moment: float) -> None:
        """Nobody would fetch them.

        Args:
            moment: Seconds since the epoch.
        """
