"""Faults that change what an answer says: its status, or how much of it arrives."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from imds_mock.faults.kind import Fault
from imds_mock.service.messages import Head, Response

if TYPE_CHECKING:
    from imds_mock.faults.kind import Moment

Status = Annotated[int, msgspec.Meta(ge=400, le=599)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=86400)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class StatusFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="status"):
    """An error instead of the answer.

    Attributes:
        status: 400 to 599.
        retry_after: Seconds for a `Retry-After` header; None leaves it out.
    """

    status: Status = int(HTTPStatus.SERVICE_UNAVAILABLE)
    retry_after: Seconds | None = None

    def apply(self, response: Response, _moment: Moment, /) -> Response:
        """The error, without a body, as the real service refuses."""
        leading = [("Content-Length", "0")]
        if self.retry_after is not None:
            leading.append(("Retry-After", str(self.retry_after)))
        names_server = response.head.names_server
        head = Head.build(self.status, tuple(leading), (("Content-Type", "text/plain"),), names_server=names_server)
        return replace(response, head=head, body=b"", token_ttl_seconds=None)


class TruncateFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="truncate"):
    """The head promises the whole body, a part of it comes, and the connection ends.

    Attributes:
        keep_bytes: How much of the body is sent.
    """

    keep_bytes: Bytes = 0

    def apply(self, response: Response, _moment: Moment, /) -> Response:
        """The same answer, to be cut off."""
        return replace(response, cut_after=self.keep_bytes)
