"""Runs the package managers that install what tests need."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent


class InstallError(Exception):
    """Something cannot be installed; the text gives the command and the end of its output."""


def run(*argv: str | Path, folder: Path = ROOT) -> None:
    """Run a package manager without input.

    Args:
        argv: The program and its arguments.
        folder: Its working directory.

    Raises:
        InstallError: It failed.
    """
    done = subprocess.run(
        argv, cwd=folder, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-10:]
        raise InstallError("\n".join([f"failed: {' '.join(map(str, argv))}", *said]))
