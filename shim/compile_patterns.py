"""Writes the regular expressions with which httpx parses URLs, compiled, as a module for `imds_shim.import_stubs`.

compile_patterns.py MODULE (called by build-tree.sh, which sets the path to httpx). Compiling a pattern takes 0.3 ms,
and importing the compiler 2 ms. The compiled form is what `_sre.compile` takes; it fits only the version of the
interpreter that has compiled it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx._urlparse


def patterns() -> list[re.Pattern[str]]:
    """Return the patterns of the module, those in a dictionary as well."""
    values = [*vars(httpx._urlparse).values(), *httpx._urlparse.COMPONENT_REGEX.values()]  # noqa: SLF001 - there is no public list
    return [value for value in values if isinstance(value, re.Pattern)]


def compiled(pattern: re.Pattern[str]) -> tuple[object, ...]:
    """Return the arguments of `_sre.compile` after the pattern: flags, code, number of groups, their names."""
    arguments: list[Any] = []
    compiler: Any = re._compiler  # type: ignore[attr-defined]  # noqa: SLF001 - only it knows
    real = compiler._sre  # noqa: SLF001 - see above
    compiler._sre = SimpleNamespace(**{**vars(real), "compile": lambda *given: arguments.extend(given)})  # noqa: SLF001
    try:
        compiler.compile(pattern.pattern)
    finally:
        compiler._sre = real  # noqa: SLF001 - restored
    _, flags, code, *groups = arguments
    return (int(flags), [int(word) for word in code], *groups)


if __name__ == "__main__":
    text = "".join(f"    {one.pattern!r}: {compiled(one)!r},\n" for one in patterns())
    Path(sys.argv[1]).write_text(f"PATTERNS = {{\n{text}}}\n", encoding="utf-8")
