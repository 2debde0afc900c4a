"""Role credentials, the failure shown in their place, and the interface of a credential source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from imds_mock.scheduling.window import Window

REFUSED: Final = "AssumeRoleUnauthorizedAccess"
ADVICE: Final = (
    "Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/"
    "troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."
)
"""The end of every failure's message, as on EC2."""

INSTANCE_IDENTITY: Final = "aws:ec2-instance"
"""The role that every instance has for its own identity."""

KEPT_SECONDS: Final = 60.0
"""How long a response with fetched credentials is sent again before the mock asks for them, which counts as use."""


class RoleCredentials(msgspec.Struct, frozen=True):
    """One set of credentials; times are whole seconds since the epoch. `repr` omits the secrets."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    last_updated: float
    expiration: float

    def __repr__(self) -> str:
        return f"RoleCredentials({self.access_key_id!r}, until {iso8601(self.expiration)})"


class CredentialFailure(msgspec.Struct, frozen=True):
    """A failure that the metadata shows in place of credentials.

    Attributes:
        code: The error code, such as `AssumeRoleUnauthorizedAccess`.
        message: The explanation for a reader.
        last_updated: Seconds since the epoch.
    """

    code: str
    message: str
    last_updated: float


class CredentialSource(Protocol):
    """The source of one role's credentials."""

    def current(self, now: float) -> RoleCredentials | CredentialFailure | None:
        """The credentials or the failure at a time (seconds since the epoch), without blocking.

        Returns:
            None as long as neither is known; the metadata then omits the role.
        """

    def same_during(self, now: float) -> Window:
        """A span of time around `now` in which `current` returns the same; empty if it may change at any moment."""


def refusal(role: str, last_updated: float) -> CredentialFailure:
    """The failure that EC2 shows for a role that it cannot assume; `last_updated` is in seconds since the epoch."""
    return CredentialFailure(REFUSED, f"EC2 cannot assume the role {role}.  {ADVICE}", last_updated)
