"""`imds-mock` with a shifted wall clock: `shifted_clock.py FILE ARGUMENT...`; the file contains the shift in seconds.

The mock reads the clock only through `time.time`, so this looks like a system clock that is changed at run time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

real_time = time.time
shift = Path(sys.argv[1])


def shifted() -> float:
    """The shifted time."""
    return real_time() + float(shift.read_text() or 0)


time.time = shifted

from imds_mock.cli import main  # noqa: E402 - the clock must be replaced first

sys.exit(main(sys.argv[2:]))
