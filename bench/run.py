"""Run every measurement in this folder, one after another.

A measurement is a program that compares two things in the same run and prints ratios, because a machine's speed changes
from hour to hour and a ratio does not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEASUREMENTS = ("shim_start.py", "server.py", "control.py", "page.py", "identity.py")


def main() -> int:
    """Run all of them, even after a failure; returns the number of failures."""
    failed = 0
    for name in MEASUREMENTS:
        print(f"== {name} ==", flush=True)
        failed += subprocess.run([sys.executable, HERE / name], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
