"""The packages of a tree are unpacked without what the tree leaves out."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING
from zipfile import ZipFile

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WHEEL = (
    "used/__init__.py",
    "used/data/kept.json",
    "used/data/large.json",
    "one-1.dist-info/METADATA",
    "one-1.data/scripts/run",
)
SOURCE = ("setup.py", "PKG-INFO", "iptc/__init__.py", "libxtwrapper/wrapper.c", "tests/iptc/test.py")


def unpacked(downloads: Path, folder: Path, *unused: str) -> set[str]:
    program = ROOT / "image/unpack_wheels.py"
    subprocess.run([sys.executable, program, downloads, folder, *unused], check=True)
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_a_wheel(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    with ZipFile(downloads / "one-1-py3-none-any.whl", "w") as archive:
        for name in WHEEL:
            archive.writestr(name, name)
    everything = set(WHEEL) - {"one-1.data/scripts/run"}
    assert unpacked(downloads, tmp_path / "all") == everything
    assert unpacked(downloads, tmp_path / "some", "^used/data/(?!kept)", "^absent/") == everything - {
        "used/data/large.json"
    }
    assert (tmp_path / "all/used/data/kept.json").read_text() == "used/data/kept.json"


def test_a_source_distribution(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    with tarfile.open(downloads / "two_words-1.tar.gz", "w:gz") as archive:
        for name in SOURCE:
            member = tarfile.TarInfo(f"two_words-1/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    assert unpacked(downloads, tmp_path / "tree") == {"two_words-1.dist-info/METADATA", "iptc/__init__.py"}
    assert (tmp_path / "tree/two_words-1.dist-info/METADATA").read_text() == "PKG-INFO"
