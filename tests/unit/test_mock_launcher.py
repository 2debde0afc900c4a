"""The compiled launcher of the mock's tree, with a loader that reports its arguments and environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = ROOT / "mock/launcher/launcher.c"
STRICT = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
LOADER = f"""#!{sys.executable} -IS
import json, os, sys
json.dump([sys.argv, dict(os.environ)], sys.stdout)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose loader is LOADER, with the launcher under its three names."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "bin").mkdir()
    (tree / "lib").mkdir()
    subprocess.run(["gcc", "-static", *STRICT, "-o", str(tree / "bin/python"), str(SOURCE)], check=True)
    for name in ("imds-mock", "ec2-metadata-mock"):
        shutil.copy(tree / "bin/python", tree / "bin" / name)
    (tree / "lib/loader").write_text(LOADER)
    (tree / "lib/loader").chmod(0o755)
    return tree


@pytest.mark.parametrize(
    ("name", "program"),
    [("imds-mock", ["lib/imds-mock.pyc"]), ("ec2-metadata-mock", ["lib/ec2-metadata-mock.pyc"]), ("python", [])],
)
def test_the_interpreter_runs_the_program_of_the_launchers_name(tree: Path, name: str, program: list[str]) -> None:
    words = ["serve", "", "--set", "a=ü b"]
    environ = {"LC_ALL": "C", "A": "1"}
    done = subprocess.run([tree / "bin" / name, *words], env=environ, capture_output=True, text=True, check=True)
    argv, passed = json.loads(done.stdout)
    libraries = ["--inhibit-cache", "--library-path", f"{tree}/lib"]
    interpreter = ["--argv0", f"{tree}/bin/python", f"{tree}/bin/python3", "-I", "-S", "-B", "-X", "utf8"]
    assert argv == [f"{tree}/lib/loader", *libraries, *interpreter, *(f"{tree}/{each}" for each in program), *words]
    assert passed == environ, "a command of `imds-mock run` gets the environment as it is"


def test_a_link_leads_to_the_tree(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "any-name").symlink_to(tree / "bin/imds-mock")
    done = subprocess.run([tmp_path / "any-name"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[0][-1] == f"{tree}/lib/imds-mock.pyc"


def test_without_its_tree_it_says_so(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(tree / "bin/imds-mock", tmp_path / "bin")
    done = subprocess.run([tmp_path / "bin/imds-mock"], capture_output=True, text=True, check=False)
    assert done.returncode == 71
    assert done.stderr == (
        f"imds-mock: cannot start: {tmp_path}/lib/loader: No such file or directory; "
        "copy the whole of /opt/imds-mock into the image\n"
    )
