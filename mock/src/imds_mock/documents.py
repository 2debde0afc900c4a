"""JSON as the metadata service writes it: two spaces of indent and ` : ` between key and value, no final newline.

Captured from instances: the instance identity document, role credentials, `iam/info` and scheduled events look alike.
"""

from __future__ import annotations

import json
from typing import Any


def write(document: Any) -> bytes:
    """Write a JSON document as the metadata service does.

    Args:
        document: What `json` can write.
    """
    return json.dumps(document, indent=2, separators=(",", " : "), ensure_ascii=False).encode()
