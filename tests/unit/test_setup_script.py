"""`scripts/setup.sh`: which Python it chooses, and the groups that it knows. Every target installs with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.paths import ROOT

SETUP = ROOT / "scripts/setup.sh"
INPUTS = ("VERSION", "shim/pyproject.toml", "mock/pyproject.toml", "scripts/setup.sh")
# pip's last lines when it reaches no index.
NOT_FOUND = "ERROR: Could not find a version that satisfies the requirement anyio==4.16.0 (from versions: none)"


def run(*words: str, setup: Path = SETUP, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([setup, *words], env=os.environ | environ, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the script reads, and a .venv whose pip only notes its calls and fails in the first."""
    for name in (*INPUTS, *(lock.name for lock in ROOT.glob("requirements-*.lock"))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(run("python").stdout.strip())
    pip = programs / "pip"
    pip.write_text(f"#!/bin/sh\necho call >>{tmp_path}/calls\necho '{NOT_FOUND}'\nexit 1\n")
    pip.chmod(0o755)
    return tmp_path


def test_it_prints_the_python_to_use() -> None:
    chosen = run("python").stdout.strip()
    assert Path(chosen).is_absolute()
    version = subprocess.run([chosen, "-V"], capture_output=True, text=True, check=True).stdout
    assert re.match(r"Python 3\.(1[1-9]|[2-9]\d)\.", version)


def test_a_python_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert run("python", PYTHON=str(old)).stdout.strip() not in {"", str(old)}


def test_an_unknown_group_changes_nothing() -> None:
    done = run("tests")
    assert done.returncode == 1
    assert done.stderr == "setup: unknown group tests; the groups are: dev test programs\n"


def test_without_an_index_it_says_what_to_do_and_leaves_no_stamp(checkout: Path) -> None:
    done = run("programs", setup=checkout / "scripts/setup.sh")
    assert done.returncode == 1
    advice = "the log is .cache/pip.log. Check that this machine reaches PyPI, then run make again."
    assert done.stderr.splitlines()[1:] == [
        NOT_FOUND,
        f"setup: pip cannot install requirements-programs.lock; {advice}",
    ]
    assert (checkout / "calls").read_text() == "call\n"
    assert not (checkout / ".venv/stamp-programs").exists()


def test_a_folder_that_cannot_be_written_is_refused(checkout: Path) -> None:
    # A file in place of the folder: root may write to any folder.
    (checkout / ".cache").write_text("")
    done = run("programs", setup=checkout / "scripts/setup.sh")
    assert done.returncode == 1
    assert done.stderr == f"setup: cannot write to {checkout}/.cache; run make as the owner of this folder\n"


def test_every_group_has_a_lock_and_is_one_of_pyproject() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert {path.stem.removeprefix("requirements-") for path in ROOT.glob("requirements-*.lock")} == groups.keys()
