"""Unpacks the downloaded packages of a tree.

unpack_wheels.py DOWNLOADS FOLDER [UNUSED] (called by build-tree.sh). Files of wheels that match the regular expression
UNUSED are left out. Of python-iptables, the only source distribution, the tree needs no more than its modules.
"""

from __future__ import annotations

import re
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

SCRIPTS = r"|^[^/]+\.data/"
MODULES = "iptc"


def unpack_wheel(wheel: Path, folder: Path, unused: str) -> None:
    """Unpack the modules of a wheel and its metadata."""
    with ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not re.search(unused, name):
                archive.extract(name, folder)


def unpack_source(source: Path, folder: Path) -> None:
    """Unpack the modules of a source distribution; its metadata become those of a wheel."""
    name = source.name.removesuffix(".tar.gz")
    with tarfile.open(source) as archive:
        # Debian 12's Python 3.11.2 has no filters; the hashes of the lock file vouch for the contents there.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        for member in archive:
            path = member.name.removeprefix(f"{name}/")
            if path == "PKG-INFO":
                member.name = f"{name}.dist-info/METADATA"
            elif path.startswith(f"{MODULES}/"):
                member.name = path
            else:
                continue
            archive.extract(member, folder)


if __name__ == "__main__":
    downloads, target, *expression = sys.argv[1:]
    for file in sorted(Path(downloads).iterdir()):
        if file.suffix == ".whl":
            unpack_wheel(file, Path(target), "|".join(expression) + SCRIPTS if expression else SCRIPTS[1:])
        else:
            unpack_source(file, Path(target))
