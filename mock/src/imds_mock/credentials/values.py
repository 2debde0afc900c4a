"""A set of credentials, what there may be instead, and who is asked for them."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from imds_mock.metadata.documents import iso8601

REFUSED: Final = "AssumeRoleUnauthorizedAccess"
ADVICE: Final = (
    "Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/"
    "troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."
)
"""How every failure's message ends."""

INSTANCE_IDENTITY: Final = "aws:ec2-instance"
"""The role that every instance has for itself."""


class RoleCredentials(msgspec.Struct, frozen=True):
    """One set of credentials; times are whole seconds since the epoch. Its secrets never show in `repr`."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    last_updated: float
    expiration: float

    def __repr__(self) -> str:
        return f"RoleCredentials({self.access_key_id!r}, until {iso8601(self.expiration)})"


class CredentialFailure(msgspec.Struct, frozen=True):
    """What there is instead of credentials.

    Attributes:
        code: Such as `AssumeRoleUnauthorizedAccess`.
        message: For people.
        last_updated: Seconds since the epoch.
    """

    code: str
    message: str
    last_updated: float


class CredentialSource(Protocol):
    """Where the credentials of one role come from."""

    def current(self, now: float) -> RoleCredentials | CredentialFailure | None:
        """What there is at a moment (seconds since the epoch), at once: the data plane asks while it answers.

        Returns:
            None while nothing is known: the metadata then has no such role.
        """


def refusal(role: str, last_updated: float) -> CredentialFailure:
    """What EC2 shows in place of credentials of a role that it may not assume.

    Args:
        role: The role.
        last_updated: Seconds since the epoch.
    """
    return CredentialFailure(REFUSED, f"EC2 cannot assume the role {role}.  {ADVICE}", last_updated)
