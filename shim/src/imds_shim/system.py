"""What the system tells this process: small text files, its arguments and its environment.

`os.environ` drops duplicates and entries without `=`, and in a C locale the interpreter adds LC_CTYPE before any code
of the shim runs (PEP 538). /proc/self/environ is the memory that exec filled. Files are read without pathlib, which
takes 2 ms to import.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    StrPath = str | os.PathLike[str]

_CHUNK_BYTES = 65_536


def read_text(path: StrPath) -> str:
    """Return a file's text; bytes that are not UTF-8 become surrogates. Raises OSError."""
    return _read(path).decode("utf-8", "surrogateescape")


def _read(path: StrPath) -> bytes:
    """Return a file's contents with half of the system calls that `open` needs."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        contents = b""
        while chunk := os.read(file, _CHUNK_BYTES):
            contents += chunk
        return contents
    finally:
        os.close(file)


def read_text_or_empty(path: StrPath) -> str:
    """Return a file's text, or "" if it does not exist (an image from scratch) or cannot be read."""
    try:
        return read_text(path)
    except OSError:
        return ""


def own_version() -> str:
    """Return the version of the shim; the build of the tree writes it into a module of its own."""
    try:
        return str(__import__("imds_shim.built_version", fromlist=["VERSION"]).VERSION)
    except ImportError:
        from importlib.metadata import version

        return version("imds-shim")


def raw_arguments() -> list[bytes]:
    """Return the arguments after the program's name."""
    return [os.fsencode(argument) for argument in sys.argv[1:]]


def raw_environ(path: StrPath = "/proc/self/environ") -> list[bytes]:
    """Return every environment entry, usually `NAME=value`, in order and byte for byte."""
    try:
        text = _read(path)
    except OSError:
        return _environ_of_libc()
    return text.split(b"\0")[:-1]


def _environ_of_libc() -> list[bytes]:
    """Return the C library's environment: complete, but possibly with entries that the interpreter added."""
    import ctypes

    pointer = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    entries: list[bytes] = []
    while (entry := pointer[len(entries)]) is not None:
        entries.append(entry)
    return entries
