"""`imds-mock` whose wall clock a file shifts: `shifted_clock.py FILE ARGUMENT...`; the file holds seconds, as text.

The mock takes the clock from `time.time` alone, so this is what a clock that is set while it serves looks like to it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

real_time = time.time
shift = Path(sys.argv[1])


def shifted() -> float:
    """The time of a clock that was set."""
    return real_time() + float(shift.read_text() or 0)


time.time = shifted

from imds_mock.cli import main  # noqa: E402 - the clock has to be there first

sys.exit(main(sys.argv[2:]))
