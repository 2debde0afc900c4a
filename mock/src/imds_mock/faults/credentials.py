"""Role credentials whose times are off, as if the clock of the one who made them were wrong."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from imds_mock.faults.kind import Fault
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.schedule import read_instant
from imds_mock.service.messages import Head

if TYPE_CHECKING:
    from imds_mock.faults.kind import Moment
    from imds_mock.service.messages import HeaderLines, Response

# In the documents of the metadata and in those of the agents, which have a form of their own.
_TIME = re.compile(rb'("(?:LastUpdated|Expiration)"\s*:\s*")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)(")')
_ONE_YEAR = 366 * 86400
SignedSeconds = Annotated[float, msgspec.Meta(ge=-_ONE_YEAR, le=_ONE_YEAR)]


class ClockSkewFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="clock-skew"):
    """`LastUpdated` and `Expiration` of credentials are shifted.

    Attributes:
        seconds: How far; negative makes them look older.
    """

    seconds: SignedSeconds

    def apply(self, response: Response, _moment: Moment, /) -> Response | None:
        """The same credentials with other times; None when the answer holds none."""
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
