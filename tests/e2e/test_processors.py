"""Images for each processor, all built on this machine: the same modules, complete libraries, and programs that run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import dist
from debian_packages import unpack_from_suite
from support.containers import Docker
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = (ROOT / "VERSION").read_text().strip()
HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
OTHER = {"amd64": "arm64", "arm64": "amd64"}[HERE]
MACHINES = {"amd64": "Advanced Micro Devices X86-64", "arm64": "AArch64"}
NAMES = {"amd64": "x86_64", "arm64": "aarch64"}
INTERPRETED = {
    "imds-mock": ("--argv0", "bin/python", "bin/python3", "-I", "-S", "-B", "-X", "utf8", "lib/imds-mock.pyc"),
    "imds-shim": ("bin/python3",),
}
"""What the launcher of each tree starts with the tree's loader."""


@pytest.fixture(scope="module")
def trees(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """The tree of each image, by image and architecture."""
    folder = tmp_path_factory.mktemp("trees")
    found: dict[str, dict[str, Path]] = {}
    for image, (dockerfile, *options) in dist.IMAGES.items():
        for architecture in MACHINES:
            on = ("--platform", f"linux/{architecture}")
            tag = docker.build(f"imds-e2e-{image}-{architecture}", ROOT, "--file", dockerfile, *on, *options)
            tree = folder / f"{image}-{architecture}"
            container = docker("create", *on, tag).stdout.strip()
            docker("cp", f"{container}:/opt/{image}", str(tree))
            docker("rm", container)
            docker("image", "rm", tag)
            found.setdefault(image, {})[architecture] = tree
    return found


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that runs programs for the other processor. It is not registered with the kernel."""
    folder = tmp_path_factory.mktemp("emulator")
    unpack_from_suite("trixie", ("qemu-user",), folder)
    return folder / f"usr/bin/qemu-{NAMES[OTHER]}"


def programs(tree: Path) -> Iterator[Path]:
    """All programs and libraries of a tree."""
    for file in sorted(each for each in tree.rglob("*") if each.is_file()):
        if file.read_bytes()[:4] == b"\x7fELF":
            yield file


@pytest.mark.parametrize("image", dist.IMAGES)
@pytest.mark.parametrize("architecture", MACHINES)
def test_all_programs_are_for_the_processor_and_have_their_libraries(
    trees: dict[str, dict[str, Path]], image: str, architecture: str
) -> None:
    tree = trees[image][architecture]
    found = list(programs(tree))
    command = ["readelf", "--wide", "--file-header", "--dynamic"]
    lines = subprocess.run(
        [*command, *found], check=True, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}
    ).stdout
    machines = [line.split(":")[1].strip() for line in lines.splitlines() if line.strip().startswith("Machine:")]
    assert machines == [MACHINES[architecture]] * len(found)
    needed = {line.partition("[")[2].rstrip("]") for line in lines.splitlines() if "(NEEDED)" in line}
    assert "libc.so.6" in needed
    loader = {name for name in needed if name.startswith("ld-linux")}
    assert {name for name in needed - loader if not (tree / "lib" / name).exists()} == set()


LARGEST_PAGE = 64 << 10
"""Bytes of the largest pages of an arm64 kernel. Others have pages of 4 KiB or 16 KiB."""


@pytest.mark.parametrize("image", dist.IMAGES)
def test_programs_for_arm64_can_be_loaded_in_pages_of_each_size(trees: dict[str, dict[str, Path]], image: str) -> None:
    """A kernel or loader refuses a segment whose alignment is less than a page, or maps two of them into one page."""
    for program in programs(trees[image]["arm64"]):
        lines = subprocess.run(
            ["readelf", "--wide", "--program-headers", program],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"LC_ALL": "C"},
        ).stdout.splitlines()
        segments = [line.split() for line in lines if line.split()[:1] == ["LOAD"]]
        assert segments
        assert {words[0]: int(words[-1], 16) % LARGEST_PAGE for words in segments} == {"LOAD": 0}, program


@pytest.mark.parametrize("image", dist.IMAGES)
def test_trees_differ_in_their_programs_alone(trees: dict[str, dict[str, Path]], image: str) -> None:
    contents = []
    for architecture, tree in trees[image].items():
        native = set(programs(tree))
        contents.append(
            {
                str(file.relative_to(tree)).replace(NAMES[architecture], "MACHINE"): b""
                if file in native
                else file.read_bytes()
                for file in tree.rglob("*")
                if file.is_file()
            }
        )
    one, other = contents
    assert one.keys() == other.keys()
    differing = {name for name in one if one[name] != other[name] and "sysconfigdata" not in name}
    # The archive of the shim's modules starts with their positions and the names of its libraries. A snapshot has
    # addresses in the program.
    of_shim = {"lib/modules", "lib/snapshot"} if image == "imds-shim" else set()
    assert differing == {"licenses/debian-packages.tsv"} | of_shim
    if image == "imds-shim":
        assert code(one["lib/modules"]) == code(other["lib/modules"])


def code(archive: bytes) -> bytes:
    """The code of all modules in an archive of the shim's tree."""
    return archive[8 + int.from_bytes(archive[:8], "little") :]


def start(emulator: Path, tree: Path, image: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Start the program of a tree as its launcher does, with options of the emulator."""
    words = [str(tree / word) if word.startswith(("bin/", "lib/")) else word for word in INTERPRETED[image]]
    loader = (tree / "lib/loader", "--inhibit-cache", "--library-path", tree / "lib")
    # The launcher of the shim says so which signals it has blocked.
    return subprocess.run(
        [emulator, *options, *loader, *words, "--version"],
        check=False,
        capture_output=True,
        text=True,
        env={"IMDS_SHIM_BLOCKED": ""},
    )


@pytest.mark.parametrize("image", dist.IMAGES)
def test_programs_for_the_other_processor_run(trees: dict[str, dict[str, Path]], emulator: Path, image: str) -> None:
    done = start(emulator, trees[image][OTHER], image)
    assert (done.stdout, done.returncode) == (f"{image} {VERSION}\n", 0), done.stderr


def test_the_shim_for_the_other_processor_starts_from_its_snapshot(
    trees: dict[str, dict[str, Path]], emulator: Path, tmp_path: Path
) -> None:
    tree = trees["imds-shim"][OTHER]
    without = shutil.copytree(tree, tmp_path / "tree", ignore=shutil.ignore_patterns("snapshot"))
    # The code of each module is read when the module is made.
    reads, more_reads = (
        start(emulator, each, "imds-shim", "-strace").stderr.count(" pread64(") for each in (tree, without)
    )
    assert 0 < reads < 10
    assert more_reads > 30


@pytest.mark.parametrize("bits", [36, 39, 42])
def test_a_start_in_a_small_address_space(trees: dict[str, dict[str, Path]], emulator: Path, bits: int) -> None:
    """As on an arm64 kernel with so many bits in an address; the snapshot's memory is at 64 GiB."""
    done = start(emulator, trees["imds-shim"][OTHER], "imds-shim", "-R", hex(1 << bits), "-strace")
    assert (done.stdout, done.returncode) == (f"imds-shim {VERSION}\n", 0), done.stderr
    restored = done.stderr.count(" pread64(") < 10
    assert restored == (1 << bits > 64 << 30)


@pytest.mark.parametrize("image", dist.IMAGES)
def test_the_launcher_for_the_other_processor_runs(
    trees: dict[str, dict[str, Path]], emulator: Path, image: str, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    launcher = (trees[image][OTHER] / "bin" / image).rename(tmp_path / "bin" / image)
    done = subprocess.run([emulator, launcher], check=False, capture_output=True, text=True)
    launcher.rename(trees[image][OTHER] / "bin" / image)
    assert done.stderr == (
        f"{image}: cannot start: {tmp_path}/lib/loader: No such file or directory; "
        f"copy the whole of /opt/{image} into the image\n"
    )


@pytest.mark.parametrize("image", dist.IMAGES)
def test_the_legacy_builder_builds_for_its_own_processor(docker: Docker, image: str) -> None:
    """Docker uses it where its plugin buildx is missing, as beside Debian's docker.io."""
    legacy = Docker({**docker.environment, "DOCKER_BUILDKIT": "0"})
    dockerfile, *options = dist.IMAGES[image]
    tag = legacy.build(f"imds-e2e-legacy-{image}", ROOT, "--file", dockerfile, *options)
    said = docker("run", "--rm", "--network", "none", tag, "--version").stdout
    docker("image", "rm", tag)
    assert said == f"{image} {VERSION}\n"
