"""Role credentials whose times are off, as if the clock of the one who made them were wrong."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from imds_mock.faults.kind import Fault
from imds_mock.metadata import documents
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.schedule import read_instant
from imds_mock.service.messages import Head

if TYPE_CHECKING:
    from imds_mock.faults.kind import Moment
    from imds_mock.service.messages import Response

_TIMES = ("LastUpdated", "Expiration")
_ONE_YEAR = 366 * 86400
SignedSeconds = Annotated[float, msgspec.Meta(ge=-_ONE_YEAR, le=_ONE_YEAR)]


class ClockSkewFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="clock-skew"):
    """`LastUpdated` and `Expiration` of credentials are shifted.

    Attributes:
        seconds: How far; negative makes them look older.
    """

    seconds: SignedSeconds

    def spoil(self, response: Response, _moment: Moment, /) -> Response | None:
        """The same credentials with other times; None when the answer holds none."""
        if b'"Expiration"' not in response.body:
            return None
        try:
            credentials = json.loads(response.body)
            shifted = {name: iso8601(self._shifted(credentials[name])) for name in _TIMES}
        except (ValueError, TypeError, KeyError):
            return None
        body = documents.write(credentials | shifted)
        leading = tuple(
            (name, str(len(body)) if name == "Content-Length" else value) for name, value in response.head.leading
        )
        return replace(response, head=Head.build(response.status, leading, response.head.trailing), body=body)

    def _shifted(self, written: str) -> float:
        return max(0.0, math.floor(read_instant("time", written) + self.seconds))
