"""Builds a program in Go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import toolchains
from support.conformance.sdk import SOURCES, built, run_build

if TYPE_CHECKING:
    from pathlib import Path

# The program must not need the C library, and Go must not replace itself.
VARIABLES: Final = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}


def build(key: str, package: str = ".") -> Path:
    """The program of a folder of `tests/conformance`, built if necessary.

    Args:
        key: Name of the folder, which contains a go.mod.
        package: The package to build, if it is that of a tool in go.mod.
    """
    go = toolchains.go()
    version = run_build(go, "version", folder=SOURCES)
    sources = SOURCES / key

    def compile_into(folder: Path) -> None:
        run_build(go, "build", "-o", folder / "program", package, folder=sources, **VARIABLES)

    return built(key, compile_into, version) / "program"


def version_of(key: str, module: str) -> str:
    """The version of a module in the program's go.mod."""
    found = re.search(
        rf"^\s*(?:require )?{re.escape(module)} v(\S+)", (SOURCES / key / "go.mod").read_text(), re.MULTILINE
    )
    assert found is not None, f"{module} is missing from go.mod"
    return found[1]
