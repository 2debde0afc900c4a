"""Run every measurement of this folder, one after the other, and print what each prints.

A measurement is a program here that compares two things within one run and prints ratios: the machine's speed changes
from hour to hour, a ratio does not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEASUREMENTS = ("shim_start.py", "server.py", "control.py", "identity.py")


def main() -> int:
    """Run all, even after a failure; returns the number that failed."""
    failed = 0
    for name in MEASUREMENTS:
        print(f"== {name} ==", flush=True)
        failed += subprocess.run([sys.executable, HERE / name], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
