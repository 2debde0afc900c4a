"""What a compatibility profile changes in the answers; the instance metadata service itself needs none of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.service.messages import Response


@dataclass(frozen=True, slots=True)
class Profile:
    """How the answers of another mock differ from the real service's.

    Attributes:
        name: What the start line calls it.
        reason: Why it is on, for the start line; empty for the real service.
        pages: Status (400, 401, 404) to the answer given instead of the service's own.
        listing_ends: Request path of a listing to what stands at its end.
        admissions: Request path of a leaf to who finds something there, by the caller's address. A leaf that is in here
            must have a body that depends on the time, because only then is it looked up for each request.
        unreadable: The answer to bytes that are no request, None for the service's own.
    """

    name: str
    reason: str = ""
    pages: Mapping[int, Response] = field(default_factory=dict)
    listing_ends: Mapping[str, bytes] = field(default_factory=dict)
    admissions: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)
    unreadable: Response | None = None


IMDS: Final = Profile("imds")
"""The real service."""
