"""JSON and times as the metadata service writes them: two spaces of indent, ` : ` after a key, no final newline.

Captured from instances: the instance identity document, role credentials, `iam/info` and scheduled events look alike.
"""

from __future__ import annotations

import json
import time
from math import floor
from typing import Any


def write(document: Any) -> bytes:
    """Write a JSON document as the metadata service does.

    Args:
        document: What `json` can write.
    """
    return json.dumps(document, indent=2, separators=(",", " : "), ensure_ascii=False).encode()


def iso8601(moment: float) -> str:
    """Write a time as the metadata does: UTC, whole seconds, `Z`.

    Args:
        moment: Seconds since the epoch.
    """
    year, month, day, hour, minute, second, *_ = time.gmtime(floor(moment))
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
