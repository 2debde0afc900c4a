"""`make clean`, in an outline of a checkout, so that nothing of this one is removed."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "scripts/clean.sh"
# Answers like an engine that has the project's images and a build cache.
DOCKER = """#!/bin/sh
case "$1 $2" in
  "info ") exit 0 ;;
  "image ls") printf '170MB imds-mock:latest\\n22MB imds-shim:latest\\n' ;;
  "system df") printf 'Images=1GB\\nBuild Cache=2.3GB\\n' ;;
esac
"""
EMPTY_DOCKER = DOCKER.replace("2.3GB", "0B").replace("170MB imds-mock:latest\\n22MB imds-shim:latest\\n", "")
NO_DOCKER = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for made in ("scripts/__pycache__", ".venv/bin", ".cache/engine", ".mypy_cache", "dist", "tests/unit/__pycache__"):
        (folder / made).mkdir(parents=True)
        (folder / made / "file").touch()
    for name in (".coverage.host.1", "README.md", "tests/unit/test_one.py"):
        (folder / name).touch()
    shutil.copy(SCRIPT, folder / "scripts")
    return folder


def clean(checkout: Path, docker: str) -> list[list[str]]:
    """Run the script with a home folder next to the checkout; returns the words of each line of output."""
    programs, home = checkout.parent / "bin", checkout.parent / "home"
    programs.mkdir()
    home.mkdir(exist_ok=True)
    (programs / "docker").write_text(docker)
    (programs / "docker").chmod(0o755)
    environment = {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}"}
    script = checkout / "scripts/clean.sh"
    done = subprocess.run([script], env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert sorted(str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file()) == [
        "README.md",
        "scripts/clean.sh",
        "tests/unit/test_one.py",
    ]
    assert list(checkout.rglob("__pycache__")) == []
    return [line.split() for line in done.stdout.splitlines()]


def test_large_caches_that_stay_are_named_with_size_and_command(checkout: Path) -> None:
    downloads = checkout.parent / "home/.cache/pip"
    downloads.mkdir(parents=True)
    (downloads / "wheel").write_bytes(b"x" * 3_000_000)
    for place in (".cache/uv", "go/pkg/mod", ".cache/go-build", ".cargo/registry", ".m2/repository"):
        (checkout.parent / "home" / place).mkdir(parents=True)
    heading, pip, *others = clean(checkout, DOCKER)
    toolchains, docker = others[:5], others[5:]
    assert heading[:4] == ["clean:", "these", "caches", "stay,"]
    assert (pip[0], pip[-5:]) == ("2.9M", ["python3", "-m", "pip", "cache", "purge"])
    assert [[*line[-3:-1], line[-1].rpartition("/")[2]] for line in toolchains] == [
        ["uv", "cache", "clean"],
        ["go", "clean", "-modcache"],
        ["go", "clean", "-cache"],
        ["rm", "-r", "registry"],
        ["rm", "-r", "repository"],
    ]
    assert [(line[0], line[-4:]) for line in docker] == [
        ("170MB", ["docker", "image", "rm", "imds-mock:latest"]),
        ("22MB", ["docker", "image", "rm", "imds-shim:latest"]),
        ("2.3GB", ["docker", "builder", "prune", "--all"]),
    ]


@pytest.mark.parametrize("docker", [NO_DOCKER, EMPTY_DOCKER], ids=["no engine", "an empty engine"])
def test_where_nothing_stays_nothing_is_said(checkout: Path, docker: str) -> None:
    assert clean(checkout, docker) == []
