"""Small text files of the system, read without pathlib, whose import costs as much as reading a hundred of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def read(path: str | os.PathLike[str]) -> str:
    """Return the file's text; bytes that are no UTF-8 come out as surrogates. Raises OSError."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - see above
        return file.read()


def read_if_there(path: str | os.PathLike[str]) -> str:
    """Return the file's text, or nothing where it does not exist (an image from scratch) or cannot be read."""
    try:
        return read(path)
    except OSError:
        return ""
