"""The memory of this process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")


def memory_bytes() -> int | None:
    """The resident set size of this process; None where `/proc` does not have it (macOS, Windows)."""
    with suppress(OSError, ValueError, IndexError):
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None
