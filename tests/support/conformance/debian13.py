"""Programs of Debian 13, unpacked from its packages and run with their own C library, on any release."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from debian_packages import unpack_from_suite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUITE: Final = "trixie"


def unpack(packages: Sequence[str], root: Path) -> None:
    """Unpack packages, and the C library, to a folder."""
    unpack_from_suite(SUITE, ("libc6", *packages), root)


def libraries(root: Path) -> Path:
    """The folder of the shared libraries."""
    (folder,) = (root / "usr/lib").glob("*-linux-gnu*")
    return folder


def command(root: Path, program: str) -> tuple[str | Path, ...]:
    """The command line that starts a program with the unpacked libraries.

    Args:
        root: Folder with the unpacked packages.
        program: Its path below `root`.
    """
    loader = min((root / "usr").glob("lib*/ld-linux*.so.*"))
    return (loader, "--library-path", libraries(root), root / program)


def version_of(root: Path, package: str) -> str:
    """The upstream version of an unpacked package."""
    log = gzip.decompress((root / "usr/share/doc" / package / "changelog.Debian.gz").read_bytes()).decode()
    return log.partition("(")[2].partition(")")[0].rpartition("-")[0]
