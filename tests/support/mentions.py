"""The names that pages, docstrings and comments mention in back-ticks."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_MENTION = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"(?:^|(?<=\s))#[ !].*$", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_CODE = (".py", ".sh", ".yml", ".yaml", ".c", ".toml", ".cjs", ".in", ".go", ".java", ".rs", ".mjs", ".rb", ".php")
_OTHER_CODE = ("Makefile", "Dockerfile", "Dockerfile.shim")
HISTORY = ("CHANGELOG.md",)
"""Pages about earlier versions, whose names may be gone."""


class Mention(NamedTuple):
    """One text in back-ticks.

    Attributes:
        file: Path of the file, from the root of the repository.
        line: Line number.
        text: The text between the back-ticks.
    """

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: `{self.text}`"


@cache
def repository_files() -> tuple[str, ...]:
    """The files of the repository, from its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(file for file in listed if (ROOT / file).is_file())


@cache
def mentions() -> tuple[Mention, ...]:
    """All mentions in pages, docstrings and comments, except in pages about earlier versions."""
    found: list[Mention] = []
    for file in repository_files():
        if file.endswith(".md") and file not in HISTORY:
            found += _mentions_in_page(file)
        elif file.endswith(".py"):
            found += _mentions_in_module(file)
    return tuple(found)


def _mentions_in_page(file: str) -> Iterator[Mention]:
    text = _CODE_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), (ROOT / file).read_text())
    yield from mentions_in_text(file, 1, text)


def _mentions_in_module(file: str) -> Iterator[Mention]:
    source = (ROOT / file).read_text()
    for docstring in _docstrings(source):
        yield from mentions_in_text(file, docstring.lineno, str(docstring.value))
    for comment in _COMMENT.finditer(source):
        yield from mentions_in_text(file, source.count("\n", 0, comment.start()) + 1, comment[0])


def mentions_in_text(file: str, first_line: int, text: str) -> Iterator[Mention]:
    """The mentions in a text that starts on a line of a file."""
    for found in _MENTION.finditer(text):
        yield Mention(file, first_line + text.count("\n", 0, found.start()), found[1])


def _docstrings(source: str) -> list[ast.Constant]:
    statements = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr))
    return [value for value in statements if isinstance(value, ast.Constant) and isinstance(value.value, str)]


@cache
def words_of_code() -> frozenset[str]:
    """Every identifier-like word of the code, in names and strings, but not in docstrings and comments."""
    words = {part.partition(".")[0] for file in repository_files() for part in file.split("/")}
    for file in repository_files():
        if file.endswith(".py"):
            words |= _words_of_module((ROOT / file).read_text())
        elif file.endswith((*_CODE, *_OTHER_CODE)):
            words |= set(_WORD.findall((ROOT / file).read_text()))
    return frozenset(words)


def _words_of_module(source: str) -> set[str]:
    lines = source.splitlines()
    for docstring in _docstrings(source):
        lines[docstring.lineno - 1 : docstring.end_lineno] = [""] * ((docstring.end_lineno or 0) - docstring.lineno + 1)
    return set(_WORD.findall(_COMMENT.sub("", "\n".join(lines))))
