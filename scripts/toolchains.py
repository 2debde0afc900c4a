"""Finds the toolchains of the conformance tests, and installs from Debian what is missing or too old.

A program on PATH is used if it is new enough. Otherwise, the release's own package is installed with apt, which needs
root. Go and kubectl are unpacked from a newer release instead: they run on every release.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from debian_packages import apt, unpack_from_suite

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "toolchains"
_GO: Final = ("golang-1.24-go", "golang-1.24-src")
_SUITE: Final = "trixie"


def go() -> Path:
    """The program `go`, 1.24 or newer.

    Raises:
        PackageError: It is missing and cannot be installed.
    """
    return _on_path("go", ("version",), (1, 24)) or _unpacked(_GO, "usr/lib/go-1.24/bin/go")


def kubectl() -> Path:
    """The program `kubectl`, 1.27 or newer: `kubectl kustomize` of Debian 12's own knows no components.

    Raises:
        PackageError: It is missing and cannot be installed.
    """
    return _on_path("kubectl", ("version", "--client"), (1, 27)) or _unpacked(("kubectl",), "usr/bin/kubectl")


def _unpacked(packages: tuple[str, ...], path: str) -> Path:
    """A program of packages of a newer release, unpacked into the cache."""
    root = CACHE / Path(path).name
    found = root / path
    with _locked():
        if not found.exists():
            shutil.rmtree(root, ignore_errors=True)
            unpack_from_suite(_SUITE, packages, root)
    return found


def from_debian(program: str, packages: tuple[str, ...], words: tuple[str, ...], least: tuple[int, ...]) -> Path:
    """A program of at least a version; installed with apt if there is none.

    Args:
        program: Its name.
        packages: Debian packages to install if it is missing or too old.
        words: Arguments with which it prints its version.
        least: The oldest version that is good enough.

    Raises:
        PackageError: apt is missing or failed.
        LookupError: Debian's version is too old, too.
    """
    found = _on_path(program, words, least)
    if found is None:
        with _locked():
            apt(["update"])
            apt(["install", "--yes", "--no-install-recommends", *packages])
        found = _on_path(program, words, least)
    if found is None:
        wanted = ".".join(map(str, least))
        raise LookupError(f"{program} {wanted} or newer is needed, and {', '.join(packages)} of this Debian is older.")
    return found


def _on_path(program: str, words: tuple[str, ...], least: tuple[int, ...]) -> Path | None:
    place = shutil.which(program)
    if place is None:
        return None
    done = subprocess.run([place, *words], capture_output=True, text=True, check=False)
    version = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    if version is None or tuple(map(int, version[0].split("."))) < least:
        return None
    return Path(place)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def renew_go_locks() -> None:
    """Renew go.mod and go.sum of the programs in Go."""
    for module in (ROOT / "tests" / "conformance").glob("*/go.mod"):
        for words in (("get", "-u", "./..."), ("mod", "tidy")):
            subprocess.run([go(), *words], cwd=module.parent, check=True)


if __name__ == "__main__" and sys.argv[1:] == ["renew-go-locks"]:
    renew_go_locks()
