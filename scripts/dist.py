"""Builds what a release consists of, into a folder: the same commit gives the same bytes, on the same base image.

    imds_mock-VERSION.tar.gz, imds_mock-VERSION-py3-none-any.whl, and the same of imds_shim
    imds-mock-VERSION.tar, imds-shim-VERSION.tar      images as OCI archives, one for each platform in each
    imds-mock-VERSION-ARCHITECTURE.cdx.json, ...      bills of materials (CycloneDX), with Python and Debian packages
    SHA256SUMS                                        for `sha256sum --check`

Usage: dist.py [--platforms linux/amd64,linux/arm64] [--no-cache] [FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bill_of_materials import bill_of_materials
from installing import ROOT
from oci_archive import write_archive
from release_packages import BuildError, build_packages, commit_time
from standard_output import ended

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS: Final = "linux/amd64,linux/arm64"
IMAGES: Final = {"imds-mock": ("Dockerfile",), "imds-shim": ("Dockerfile.shim", "--target", "shim")}
"""The Dockerfile of each image, and more options of its build."""

_MACHINES: Final = {"amd64": 62, "arm64": 183}
"""The field e_machine of a program for each architecture. Source: elf.h"""


def main(words: Sequence[str]) -> int:
    """Build; the exit code is 1 if that fails."""
    parser = argparse.ArgumentParser(prog="dist.py", description="Build what a release consists of.")
    parser.add_argument("--platforms", default=PLATFORMS, help="platforms of the images (default: %(default)s)")
    parser.add_argument(
        "--no-cache", action="store_true", help="repeat the steps of earlier builds, to compare digests"
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist", help="default: dist")
    arguments = parser.parse_args(words)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    try:
        # Absolute, because a build runs in another folder.
        build(arguments.folder.resolve(), arguments.platforms.split(","), cached=not arguments.no_cache)
    except BuildError as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    return 0


def build(folder: Path, platforms: Sequence[str], *, cached: bool = True) -> None:
    """Build everything, and start each image once that the engine can run.

    Args:
        folder: Where the files go; what was in it goes away.
        platforms: Platforms of the images, such as `linux/amd64`.
        cached: Use what the engine has kept of earlier builds.

    Raises:
        BuildError: A build failed, an image does not start, or its programs are for another processor.
    """
    epoch, version = commit_time(), (ROOT / "VERSION").read_text().strip()
    native = _docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
    options = {platform: () if platform == native else ("--platform", platform) for platform in platforms}
    for old in folder.iterdir():
        old.unlink()
    build_packages(folder, epoch)
    fresh = () if cached else ("--no-cache",)
    builds = [
        (image, _tag(image, version, platform), (*options[platform], *fresh))
        for platform in platforms
        for image in IMAGES
    ]
    # BuildKit runs the steps that several have once, and the others side by side.
    with ThreadPoolExecutor(len(builds)) as pool:
        list(pool.map(_build_image, *zip(*builds, strict=True)))
    for image in IMAGES:
        with tempfile.TemporaryDirectory() as scratch:
            saved = []
            for platform in platforms:
                tag = _tag(image, version, platform)
                _start(tag, version, options[platform])
                saved.append(Path(scratch) / f"{tag.replace(':', '-')}.tar")
                _docker("save", "--output", saved[-1], tag)
                tree = Path(scratch) / tag.replace(":", "-")
                _copy_tree(tag, image, tree, options[platform])
                _require_machine(tree, platform.rpartition("/")[2], tag)
                bill = bill_of_materials(tree, image, version, epoch)
                (folder / f"{tag.replace(':', '-')}.cdx.json").write_text(bill)
            digest = write_archive(folder / f"{image}-{version}.tar", saved, version, epoch)
            print(f"dist: {image} {version} for {', '.join(platforms)}: {digest}", flush=True)
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))


def _tag(image: str, version: str, platform: str) -> str:
    return f"{image}:{version}-{platform.rpartition('/')[2]}"


def _build_image(image: str, tag: str, options: Sequence[str]) -> None:
    dockerfile, *target = IMAGES[image]
    _docker("build", "--quiet", "--tag", tag, "--file", dockerfile, *target, *options, ".")


def _copy_tree(tag: str, image: str, target: Path, options: Sequence[str]) -> None:
    container = _docker("create", *options, tag)
    try:
        _docker("cp", f"{container}:/opt/{image}", target)
    finally:
        with contextlib.suppress(BuildError):
            _docker("rm", container)


def _start(tag: str, version: str, options: Sequence[str]) -> None:
    """Start an image that prints its version; one for another processor only where the engine can run it."""
    try:
        printed = _docker("run", "--rm", "--network", "none", *options, tag, "--version")
    except BuildError as error:
        if not options or "exec format error" not in str(error):
            raise
        print(f"dist: {tag} was not started: this machine runs no programs for {options[-1]}", flush=True)
        return
    if printed.split()[-1:] != [version]:
        raise BuildError(f"{tag} --version printed {printed!r}; its version should be {version}")


def _require_machine(tree: Path, architecture: str, tag: str) -> None:
    """Check that all programs and libraries are for a processor."""
    for file in sorted(each for each in tree.rglob("*") if each.is_file()):
        with file.open("rb") as opened:
            header = opened.read(20)
        machine = int.from_bytes(header[18:20], "little")
        if header.startswith(b"\x7fELF") and machine != _MACHINES.get(architecture, machine):
            raise BuildError(
                f"{file.relative_to(tree)} of {tag} is not for {architecture}; the engine must build with BuildKit, "
                "which the package docker-buildx brings"
            )


def _docker(*words: str | Path) -> str:
    """Run `docker WORDS...`; returns what it printed."""
    done = subprocess.run(["docker", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-10:]
        raise BuildError("\n".join([f"docker {words[0]} failed:", *said]))
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(ended("dist", lambda: main(sys.argv[1:])))
