"""The kinds of faults. A new kind is one class and one line in `AnyFault`."""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.options import METAVAR, POSITIONAL
from imds_mock.scheduling.patterns import Pattern
from imds_mock.scheduling.schedule import Duration, Scheduled, read_duration, read_instant
from imds_mock.service import responses as answers
from imds_mock.service.messages import Delivery, Head, Response

if TYPE_CHECKING:
    from imds_mock.service.messages import HeaderLines

Rate = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Status = Annotated[int, Meta(ge=400, le=599)]
RetryAfter = Annotated[int, Meta(ge=0, le=86400)]
Bytes = Annotated[int, Meta(ge=0, le=1_000_000_000)]
_ONE_YEAR: Final = 366 * 86400
SignedSeconds = Annotated[float, Meta(ge=-_ONE_YEAR, le=_ONE_YEAR)]

# The times in the metadata's documents and in those of the container agents, which have a layout of their own.
_TIME: Final = re.compile(rb'("(?:LastUpdated|Expiration)"\s*:\s*")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)(")')
# Tokens hold their time in whole milliseconds, rounded down.
_TOKEN_RESOLUTION_SECONDS: Final = 0.001


class FaultContext(msgspec.Struct, frozen=True):
    """The circumstances in which a fault changes a response.

    Attributes:
        now: Wall-clock time in seconds since the epoch.
        since: Start of the fault.
        token_issued_at: When the session token of the request was issued; None if it has no valid one.
    """

    now: float
    since: float
    token_issued_at: float | None = None


class Fault(Scheduled, frozen=True, kw_only=True):
    """Base of all kinds of faults: a kind adds its fields and the change that it makes to a response."""

    path: Annotated[
        Pattern, Meta(description="Pattern for the path; `*` matches slashes too (default: every path).")
    ] = "*"
    rate: Annotated[Rate, Meta(description="Share of the matching requests.", extra={METAVAR: "SHARE"})] = 1.0
    count: Annotated[
        Count | None,
        Meta(
            description="Number of requests to affect before the fault is spent (default: no limit).",
            extra={METAVAR: "N"},
        ),
    ] = None

    def check(self) -> None:
        """Validate the fields that `apply` reads, so that arming the fault reports an invalid one.

        Raises:
            FieldError: A time among the fields is invalid.
        """

    def apply(self, response: Response, context: FaultContext, /) -> Response | None:
        """Change a response.

        Args:
            response: The response so far.
            context: The time and the age of the token.

        Returns:
            The changed response; None if the fault does not affect this request after all.
        """
        raise NotImplementedError


class DelayFault(Fault, frozen=True, kw_only=True, tag="delay"):
    """Delay the response.

    Later requests on the same connection wait, other connections do not. Several delays add up. If the client
    disconnects meanwhile, the journal records the request without a status, with the time it waited.
    """

    delay: Annotated[Duration, Meta(description="Length of the delay.", extra={POSITIONAL: True})]

    def check(self) -> None:
        """Validate the delay."""
        read_duration("delay", self.delay)

    def apply(self, response: Response, _context: FaultContext, /) -> Response:
        """The same response, later."""
        return replace(response, delay_seconds=response.delay_seconds + read_duration("delay", self.delay))


class StatusFault(Fault, frozen=True, kw_only=True, tag="status"):
    """Respond with an error.

    The response has the status and no body.
    """

    status: Annotated[Status, Meta(description="Status code.", extra={METAVAR: "CODE", POSITIONAL: True})] = int(
        HTTPStatus.SERVICE_UNAVAILABLE
    )
    retry_after: Annotated[
        RetryAfter | None,
        Meta(description="Seconds for a `Retry-After` header (default: no header).", extra={METAVAR: "SECONDS"}),
    ] = None

    def apply(self, response: Response, _context: FaultContext, /) -> Response:
        """The error without a body, as the real service refuses requests."""
        leading = [("Content-Length", "0")]
        if self.retry_after is not None:
            leading.append(("Retry-After", str(self.retry_after)))
        names_server = response.head.names_server
        head = Head.build(self.status, tuple(leading), (("Content-Type", "text/plain"),), names_server=names_server)
        return replace(response, head=head, body=b"", token_ttl_seconds=None)


class ResetFault(Fault, frozen=True, kw_only=True, tag="reset"):
    """Reset the connection.

    The client receives a TCP reset instead of a response.
    """

    def apply(self, response: Response, _context: FaultContext, /) -> Response:
        """A reset."""
        return replace(response, delivery=Delivery.RESET)


class StallFault(Fault, frozen=True, kw_only=True, tag="stall"):
    """Accept the request and never respond.

    The connection stays open until the client or a timeout closes it.
    """

    def apply(self, response: Response, _context: FaultContext, /) -> Response:
        """No response."""
        return replace(response, delivery=Delivery.STALL)


class TruncateFault(Fault, frozen=True, kw_only=True, tag="truncate"):
    """Cut off the body of the response.

    The headers announce the whole body; the mock sends part of it and closes the connection.
    """

    keep_bytes: Annotated[
        Bytes, Meta(description="Bytes of the body that are sent.", extra={METAVAR: "BYTES", POSITIONAL: True})
    ] = 0

    def apply(self, response: Response, _context: FaultContext, /) -> Response:
        """The same response, cut off while it is sent."""
        return replace(response, cut_after=self.keep_bytes)


class RevokeTokensFault(Fault, frozen=True, kw_only=True, tag="revoke-tokens"):
    """Reject session tokens that were issued before the start.

    Requests with such a token get 401, as after a restart of the real service; new tokens work.
    """

    def apply(self, response: Response, context: FaultContext, /) -> Response | None:
        """401 for an old token."""
        if context.token_issued_at is None or context.token_issued_at + _TOKEN_RESOLUTION_SECONDS > context.since:
            return None
        refusal = answers.refusal(401)
        return replace(response, head=refusal.head, body=refusal.body, token_ttl_seconds=None)


class ClockSkewFault(Fault, frozen=True, kw_only=True, tag="clock-skew"):
    """Shift the times in role credentials.

    `LastUpdated` and `Expiration` are shifted, as if the issuer's clock were wrong.
    """

    seconds: Annotated[
        SignedSeconds,
        Meta(
            description="Seconds to add; negative makes credentials look older.",
            extra={METAVAR: "SECONDS", POSITIONAL: True},
        ),
    ]

    def apply(self, response: Response, _context: FaultContext, /) -> Response | None:
        """The same credentials with shifted times; None for a response without credentials."""
        body, shifted = _TIME.subn(self._shifted, response.body)
        if not shifted or b'"Expiration"' not in response.body:
            return None
        head, length = response.head, str(len(body))

        def resized(lines: HeaderLines) -> HeaderLines:
            return tuple((name, length if name == "Content-Length" else value) for name, value in lines)

        built = Head.build(head.status, resized(head.leading), resized(head.trailing), names_server=head.names_server)
        return replace(response, head=built, body=body)

    def _shifted(self, found: re.Match[bytes]) -> bytes:
        moment = max(0.0, math.floor(read_instant("time", found[2].decode()) + self.seconds))
        return found[1] + iso8601(moment).encode() + found[3]


AnyFault = DelayFault | StatusFault | ResetFault | StallFault | TruncateFault | RevokeTokensFault | ClockSkewFault
"""Any fault; its field `kind` selects the structure."""

FAULTS: Final[tuple[type[Fault], ...]] = get_args(AnyFault)
"""The structures of all kinds."""
