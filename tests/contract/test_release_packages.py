"""The wheels and source distributions of a release: both install in a new environment, and the programs run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from release_packages import build_packages
from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = 1_700_000_000
VERSION = (ROOT / "VERSION").read_text().strip()
LOCK = {"imds_mock": ROOT / "mock/requirements.lock", "imds_shim": ROOT / "shim/requirements.lock"}
LICENSE = (ROOT / "LICENSE").read_bytes()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {each.name: each for each in build_packages(tmp_path_factory.mktemp("packages"), EPOCH)}


def test_a_release_has_a_wheel_and_a_source_distribution_of_each_program(packages: dict[str, Path]) -> None:
    assert set(packages) == {
        f"{name}-{VERSION}{ending}" for name in LOCK for ending in (".tar.gz", "-py3-none-any.whl")
    }


def test_the_same_commit_gives_the_same_bytes(packages: dict[str, Path], tmp_path: Path) -> None:
    again = {each.name: _digest(each) for each in build_packages(tmp_path, EPOCH)}
    assert again == {name: _digest(each) for name, each in packages.items()}


@pytest.mark.parametrize("name", LOCK)
def test_a_wheel_has_every_file_of_the_program(packages: dict[str, Path], name: str) -> None:
    source = ROOT / name.removeprefix("imds_") / "src"
    wanted = subprocess.run(["git", "ls-files"], cwd=source, check=True, capture_output=True, text=True).stdout.split()
    with zipfile.ZipFile(packages[f"{name}-{VERSION}-py3-none-any.whl"]) as wheel:
        assert {each for each in wheel.namelist() if ".dist-info/" not in each} == set(wanted)


@pytest.mark.parametrize("name", LOCK)
def test_both_carry_the_license(packages: dict[str, Path], name: str) -> None:
    with zipfile.ZipFile(packages[f"{name}-{VERSION}-py3-none-any.whl"]) as wheel:
        assert wheel.read(f"{name}-{VERSION}.dist-info/licenses/LICENSE") == LICENSE
    with tarfile.open(packages[f"{name}-{VERSION}.tar.gz"]) as source:
        file = source.extractfile(f"{name}-{VERSION}/LICENSE")
        assert file is not None
        assert file.read() == LICENSE


@pytest.mark.parametrize("ending", ["-py3-none-any.whl", ".tar.gz"])
@pytest.mark.parametrize("name", LOCK)
def test_a_program_runs_in_a_new_environment(packages: dict[str, Path], tmp_path: Path, name: str, ending: str) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", environment, "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", "--no-compile", "--require-hashes", "-r", LOCK[name]], check=True)
    # The build backend is not in the new environment, and no lock file names what pip would fetch.
    build: list[str] = []
    if ending == ".tar.gz":
        subprocess.run([*pip, "install", "--require-hashes", "-r", ROOT / "requirements-programs.lock"], check=True)
        build = ["--no-build-isolation"]
    subprocess.run([*pip, "install", "--no-deps", *build, packages[f"{name}-{VERSION}{ending}"]], check=True)
    subprocess.run([*pip, "check"], check=True)
    program = environment / "bin" / name.replace("_", "-")
    printed = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    assert printed.split()[-1] == VERSION


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
