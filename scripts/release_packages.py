"""Builds the wheels and source distributions of a release; the same commit gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from installing import ROOT

PROJECTS: Final = ("mock", "shim")


class BuildError(Exception):
    """Something cannot be built; the text gives the command and the end of its output."""


def commit_time() -> int:
    """The time of the checkout's commit, in seconds since the epoch; becomes the time of every file in a release."""
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True)
    return int(shown.stdout)


def build_packages(folder: Path, epoch: int) -> tuple[Path, ...]:
    """Build both projects: from each a source distribution, and from that a wheel, as package indexes expect.

    Args:
        folder: Where the files go.
        epoch: Time of all files in them, in seconds since the epoch.

    Returns:
        The files, sorted by name.

    Raises:
        BuildError: A build failed.
    """
    for project in PROJECTS:
        with tempfile.TemporaryDirectory() as scratch:
            _hatchling("sdist", ROOT / project, Path(scratch), epoch)
            (source,) = Path(scratch).glob("*.tar.gz")
            with tarfile.open(source) as archive:
                # Debian 12's Python 3.11.2 has no filters.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(scratch)  # noqa: S202 - the archive was made above
            _hatchling("wheel", Path(scratch) / source.name.removesuffix(".tar.gz"), folder, epoch)
            source.rename(folder / source.name)
    return tuple(sorted(folder.glob("imds_*")))


def _hatchling(target: str, project: Path, folder: Path, epoch: int) -> None:
    # Without build isolation: hatchling is in .venv, from the lock file.
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", folder],
        cwd=project,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError("\n".join([f"hatchling failed for {project.name}:", *done.stderr.splitlines()[-10:]]))
