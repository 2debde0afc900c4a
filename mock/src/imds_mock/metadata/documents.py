"""JSON and times in the format of the metadata service: indented by two spaces, ` : ` after a key, no final newline.

Captured from instances: identity document, role credentials, `iam/info` and scheduled events have the same format.
"""

from __future__ import annotations

import json
from math import floor
from time import gmtime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def write(document: Any) -> bytes:
    """A JSON document in the format of the metadata service."""
    return json.dumps(document, indent=2, separators=(",", " : "), ensure_ascii=False).encode()


def iso8601(time: float) -> str:
    """A time in seconds since the epoch in the format of the metadata: UTC, whole seconds, `Z`."""
    year, month, day, hour, minute, second, *_ = gmtime(floor(time))
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"


class RenewableDocument(bytes):
    """A document with fetched credentials.

    Events may change its times but not its keys, because generated keys would not work. They request new keys instead.

    Attributes:
        renew_after: Requests credentials that are newer than a time in seconds since the epoch.
    """

    renew_after: Callable[[float], None]

    @classmethod
    def of(cls, body: bytes, renew_after: Callable[[float], None]) -> RenewableDocument:
        """Make a document renewable."""
        document = cls(body)
        document.renew_after = renew_after
        return document
