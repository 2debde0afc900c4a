"""The build of the tree removes definitions by their names, and computes constants."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.paths import ROOT

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import trim_modules
print(trim_modules.trimmed(sys.stdin.read(), set(sys.argv[2:])))
"""
SOURCE = """
__all__ = ["Kept", "Gone"]
class Kept: pass
class Gone: pass
Kept.gone = Gone
def gone(): pass
"""


def trim(source: str, *unused: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", PROGRAM, str(ROOT / "shim"), *unused]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def test_classes_functions_assignments_and_exported_names_are_removed() -> None:
    done = trim(SOURCE, "Gone", "Kept.gone", "gone")
    assert done.stdout.split("\n") == ["__all__ = ['Kept']", "", "class Kept:", "    pass", ""], done.stderr


def test_a_name_that_does_not_exist_ends_the_build() -> None:
    done = trim(SOURCE, "Gone", "Absent")
    assert done.returncode != 0
    assert done.stderr.endswith("LookupError: the module does not define Absent\n")


@pytest.mark.parametrize("name", ["httpx/_exceptions.py", "httpx/__init__.py"])
def test_the_installed_httpx_defines_what_the_build_removes(name: str) -> None:
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(ROOT / "shim")!r})
import httpx, trim_modules
source = (pathlib.Path(httpx.__file__).parents[1] / {name!r}).read_text()
found = trim_modules.trimmed(source, trim_modules.UNUSED[{name!r}])
print("class PoolTimeout" in found or "'PoolTimeout'" in found, "ReadTimeout" in found)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"


def test_a_set_of_characters_becomes_its_value() -> None:
    source = 'SAFE = "".join([chr(i) for i in range(0x20, 0x7F) if i not in (0x20, 0x22)])\nOTHER = chr(65)\n'
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "shim")!r})
import trim_modules
print(trim_modules.computed({source!r}, {{"SAFE"}}))
trim_modules.computed({source!r}, {{"SAFE", "ABSENT"}})
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    safe = "".join(map(chr, [0x21, *range(0x23, 0x7F)]))
    assert done.stdout.splitlines() == [f"SAFE = {safe!r}", "OTHER = chr(65)"]
    assert done.stderr.endswith("LookupError: the module does not define ABSENT\n")


def test_the_constants_that_the_build_computes_are_those_of_httpx() -> None:
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(ROOT / "shim")!r})
import httpx._urlparse as real, trim_modules
names = trim_modules.CONSTANTS["httpx/_urlparse.py"]
namespace = dict(vars(real))
exec(trim_modules.computed(pathlib.Path(real.__file__).read_text(), names), namespace)
print(all(namespace[name] == vars(real)[name] and "A" in namespace[name] for name in names))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
