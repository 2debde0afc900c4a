"""`scripts/setup.sh`: which Python it chooses, and the groups that it knows. Every target installs with it."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

from support.paths import ROOT

SETUP = ROOT / "scripts/setup.sh"


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SETUP, *words], env=os.environ | environ, capture_output=True, text=True, check=False)


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


def test_every_group_has_a_lock_and_is_one_of_pyproject() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert {path.stem.removeprefix("requirements-") for path in ROOT.glob("requirements-*.lock")} == groups.keys()
