"""What every kind of fault is: which requests it hits, and what it makes of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from imds_mock.scheduling.patterns import Pattern  # noqa: TC001 - msgspec evaluates it
from imds_mock.scheduling.schedule import Scheduled, Target

if TYPE_CHECKING:
    from imds_mock.service.messages import Response

Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class Moment(msgspec.Struct, frozen=True):
    """The circumstances in which a fault changes an answer.

    Attributes:
        now: Wall-clock time in seconds since the epoch.
        since: When the fault began.
        token_issued_at: When the session token of the request was issued; None if it has no valid one.
    """

    now: float
    since: float
    token_issued_at: float | None = None


class Fault(Scheduled, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all kinds; a kind adds its fields and says what it makes of an answer.

    Attributes:
        path: Pattern for the whole path, see `scheduling.patterns`: `*/iam/*`.
        target: Whom it hits: an address, container or service name; None means every caller.
        rate: Share of the matching requests that are hit.
        count: How many requests it hits before it is spent; None means no limit.
    """

    path: Pattern = "*"
    target: Target | None = None
    rate: Rate = 1.0
    count: Count | None = None

    def check(self) -> None:
        """Read what is read later, so that a bad value is refused when the fault is armed.

        Raises:
            FieldError: A time among the fields cannot be read.
        """

    def apply(self, response: Response, moment: Moment, /) -> Response | None:
        """Change an answer.

        Args:
            response: The answer so far.
            moment: When, and with which token.

        Returns:
            The answer instead; None when the fault does not concern this request after all.
        """
        raise NotImplementedError
