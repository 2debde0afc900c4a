"""Installs Debian packages with apt, or unpacks those of another release without changing the system."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOCK: Final = Path(tempfile.gettempdir()) / "imds-sidecar-apt.lock"
_LOCK_SECONDS: Final = 600


class PackageError(Exception):
    """A package is missing and cannot be installed; the text gives the reason."""


def apt(words: Sequence[str], folder: Path | None = None) -> None:
    """Run `apt-get WORDS...`.

    Raises:
        PackageError: apt is missing or failed.
    """
    if shutil.which("apt-get") is None:
        wanted = " ".join(word for word in words if not word.startswith("-"))
        raise PackageError(f"apt-get is missing; it is needed for: {wanted}.")
    with _LOCK.open("w") as lock:
        # Tiers that run side by side install what they lack; apt-get does not wait for a list that another one updates.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["apt-get", "--quiet", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}", *words],
            cwd=folder,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or done.stderr.splitlines()[-1:]
        raise PackageError(f"apt-get {' '.join(w for w in words if not w.startswith('-'))} failed: {' '.join(said)}")


def is_known(package: str) -> bool:
    """Whether apt can install a package."""
    shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False).stdout
    return "Candidate:" in shown and "Candidate: (none)" not in shown


def mirror() -> str:
    """URL of the Debian archive that this machine uses.

    Raises:
        PackageError: apt's sources contain none.
    """
    address = _listed_mirror()
    if address is None:
        # apt knows origin and label only after the first update.
        apt(["update"])
        address = _listed_mirror()
    if address is None:
        raise PackageError("apt's sources contain no Debian archive; add one to /etc/apt/sources.list.")
    return address


def _listed_mirror() -> str | None:
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in listed.splitlines():
        origin, label, address = line.split(" ", 2)
        # Not the security archive, whose label is Debian-Security.
        if (origin, label) == ("Debian", "Debian"):
            return address.rstrip("/")
    return None


def unpack_from_suite(suite: str, packages: Sequence[str], target: Path) -> None:
    """Unpack packages of a release, with a separate package index, so the system's index stays as it is.

    Args:
        suite: Name of the Debian release.
        packages: Names of packages; their dependencies are not unpacked.
        target: Folder to unpack to.

    Raises:
        PackageError: apt is missing or failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        # apt downloads as another user.
        Path(scratch).chmod(0o755)
        sources = Path(scratch) / "sources.list"
        sources.write_text(f"deb {mirror()} {suite} main\n")
        for folder in ("lists/partial", "archives/partial", "debs"):
            (Path(scratch) / folder).mkdir(parents=True)
        options = [
            *("-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null"),
            *("-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache::Archives={scratch}/archives"),
            *("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root"),
            *("-o", "Dir::State::status=/dev/null"),  # an installed newer version is not in the release
        ]
        apt([*options, "update"])
        apt([*options, "download", *packages], Path(scratch) / "debs")
        for package in (Path(scratch) / "debs").glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, target], check=True)
