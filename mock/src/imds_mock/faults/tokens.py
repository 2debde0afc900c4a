"""Session tokens that were issued before a moment and are good no more, as after a restart of the real service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from imds_mock.faults.kind import Fault
from imds_mock.service import answers

if TYPE_CHECKING:
    from imds_mock.faults.kind import Moment
    from imds_mock.service.messages import Response

# Tokens know their time to the millisecond, rounded down.
_TOKEN_RESOLUTION_SECONDS: Final = 0.001


class RevokeTokensFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="revoke-tokens"):
    """Requests with a token from before the fault's start get 401; a new token works."""

    def apply(self, response: Response, moment: Moment, /) -> Response | None:
        """401 for an old token."""
        if moment.token_issued_at is None or moment.token_issued_at + _TOKEN_RESOLUTION_SECONDS > moment.since:
            return None
        refusal = answers.refusal(401)
        return replace(response, head=refusal.head, body=refusal.body, token_ttl_seconds=None)
