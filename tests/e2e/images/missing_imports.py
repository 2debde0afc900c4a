"""Prints the modules that import statements reach from imds_mock and that do not exist, as JSON: name to importers.

A program for the mock's image, where everything is compiled: it reads the code of modules and imports none of them. In
the packages, statements inside functions count as well; in the standard library, whose functions serve all programs,
they do not.
"""

import dis
import json
import marshal
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

LIBRARY = Path(os.__file__).parent
FOLDERS = [LIBRARY, LIBRARY / "lib-dynload"]
PYC_HEADER_BYTES = 16
IS_FUNCTION = 0x2  # CO_NEWLOCALS (inspect)
FOR_TEST_RUNS = ("imds_mock.pytest_plugin", "imds_mock.testcontainers")


class Module:
    """A module's code, None if it is not Python; and the package from which its relative imports start."""

    def __init__(self, name: str, code: CodeType | None, *, is_package: bool) -> None:
        self.code = code
        self.package = name if is_package else name.rpartition(".")[0]


def find(name: str) -> Module | None:
    """The module of a name, None if there is none."""
    for folder in FOLDERS:
        path = folder.joinpath(*name.split("."))
        for file, is_package in ((path / "__init__.pyc", True), (path.with_name(f"{path.name}.pyc"), False)):
            if file.exists():
                code = marshal.loads(file.read_bytes()[PYC_HEADER_BYTES:])  # noqa: S302 - the image's own modules
                return Module(name, code, is_package=is_package)
        if path.is_dir():
            return Module(name, None, is_package=True)
        if list(path.parent.glob(f"{path.name}.*")):
            return Module(name, None, is_package=False)
    # What the interpreter has without a file, and names such as os.path, under which another module is known.
    exists = name in sys.builtin_module_names or name in sys.modules
    return Module(name, None, is_package=False) if exists else None


def imported(code: CodeType, package: str, *, in_functions: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The modules that code imports, each with the names taken from it."""
    instructions = list(dis.get_instructions(code))
    for index, instruction in enumerate(instructions):
        if instruction.opname == "IMPORT_NAME":
            level, names = instructions[index - 2].argval, instructions[index - 1].argval or ()
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            yield ".".join([*above, *([instruction.argval] if instruction.argval else [])]), names
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and (in_functions or not inner.co_flags & IS_FUNCTION):
            yield from imported(inner, package, in_functions=in_functions)


def own_modules() -> Iterator[str]:
    """The names of all modules of imds_mock that a program in the image may run."""
    for file in (LIBRARY / "imds_mock").rglob("*.pyc"):
        name = ".".join(file.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(FOR_TEST_RUNS):
            yield name


def missing() -> dict[str, list[str]]:
    """The names that do not exist, with those that import them."""
    found: set[str] = set()
    absent: dict[str, set[str]] = {}
    waiting = [(name, "") for name in own_modules()]
    while waiting:
        name, importer = waiting.pop()
        if name in absent:
            absent[name].add(importer)
        if name in found or name in absent:
            continue
        module = find(name)
        if module is None:
            absent[name] = {importer}
            continue
        found.add(name)
        if module.code is None:
            continue
        is_standard = name.partition(".")[0] in sys.stdlib_module_names
        for target, names in imported(module.code, module.package, in_functions=not is_standard):
            below = (f"{target}.{each}" for each in names)
            waiting += [(each, name) for each in (target, *filter(find, below))]
    return {name: sorted(importers) for name, importers in sorted(absent.items())}


if __name__ == "__main__":
    json.dump(missing(), sys.stdout)
