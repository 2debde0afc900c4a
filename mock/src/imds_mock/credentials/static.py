"""Credentials that were given with the configuration, and the refusal that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imds_mock.credentials.generated import GeneratedCredentials
from imds_mock.credentials.values import refusal

if TYPE_CHECKING:
    from imds_mock.credentials.values import CredentialFailure, RoleCredentials


class StaticCredentials(msgspec.Struct, frozen=True):
    """Keys that were given; only their times move.

    Attributes:
        access_key_id: The access key id.
        secret_access_key: The secret access key.
        session_token: The session token.
        clock: What says when they were last updated and end.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str
    clock: GeneratedCredentials

    def __repr__(self) -> str:
        return f"StaticCredentials({self.access_key_id!r})"

    def current(self, now: float) -> RoleCredentials:
        """The credentials at a moment (seconds since the epoch)."""
        return msgspec.structs.replace(
            self.clock.current(now),
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            session_token=self.session_token,
        )


class RefusedCredentials(msgspec.Struct, frozen=True):
    """No credentials, for EC2 may not assume the role.

    Attributes:
        role: The role.
        clock: What says when this was last updated.
    """

    role: str
    clock: GeneratedCredentials

    def current(self, now: float) -> CredentialFailure:
        """The failure at a moment (seconds since the epoch)."""
        return refusal(self.role, self.clock.current(now).last_updated)
