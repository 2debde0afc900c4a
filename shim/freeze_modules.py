"""Writes the modules that the interpreter needs before it can read the archive as a C header, compressed.

freeze_modules.py HEADER STDLIB ARCHIVE (called by build-tree.sh): the two parts of `importlib`, `encodings`, `io`, `os`
and what they import, and ARCHIVE, the source of `imds_shim.boot.archive`, as `archive`. `encodings.aliases` lists only
the codecs that are in STDLIB. The base classes in `io` are the ones in C, without the abstract classes that the
standard library derives from them.
"""

from __future__ import annotations

import marshal
import sys
import zlib
from encodings.aliases import aliases
from pathlib import Path

IO = """
import _io
from _io import *
IOBase, RawIOBase, BufferedIOBase, TextIOBase = _io._IOBase, _io._RawIOBase, _io._BufferedIOBase, _io._TextIOBase
SEEK_SET, SEEK_CUR, SEEK_END = range(3)
UnsupportedOperation.__module__ = "io"
"""


# What CPython and ARCHIVE import.
UNCHANGED = ("abc", "codecs", "genericpath", "os", "posixpath", "stat", "_collections_abc")


def sources(stdlib: Path, archive: Path) -> dict[str, str]:
    """Return the source text by module."""
    codecs = stdlib / "encodings"
    present = {alias: codec for alias, codec in aliases.items() if (codecs / f"{codec}.py").exists()}
    files = {
        # As CPython calls them.
        "_frozen_importlib": stdlib / "importlib/_bootstrap.py",
        "_frozen_importlib_external": stdlib / "importlib/_bootstrap_external.py",
        "encodings": codecs / "__init__.py",
        "encodings.utf_8": codecs / "utf_8.py",
        "archive": archive,
        **{name: stdlib / f"{name}.py" for name in UNCHANGED},
    }
    texts = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
    return texts | {"encodings.aliases": f"aliases = {present}", "io": IO}


def header(texts: dict[str, str]) -> str:
    """Return the definitions of `frozen_modules`, whose code is in `frozen_code`, and of `packed_code` in C."""
    code = bytearray()
    rows = []
    for name, text in texts.items():
        compiled = marshal.dumps(compile(text, f"<frozen {name}>", "exec", dont_inherit=True, optimize=2))
        fields = f'.name = "{name}", .code = frozen_code + {len(code)}, .size = {len(compiled)}'
        rows.append(f"{{{fields}, .is_package = {int(name == 'encodings')}}},")
        code += compiled
    packed = ",".join(map(str, zlib.compress(code, zlib.Z_BEST_COMPRESSION)))
    lines = (
        f"static const unsigned char packed_code[] = {{{packed}}};",
        f"static unsigned char frozen_code[{len(code)}];",
        "static const struct _frozen frozen_modules[] = {",
        *rows,
        "{.name = NULL}};",
        "",
    )
    return "\n".join(lines)


if __name__ == "__main__":
    target, stdlib, archive = map(Path, sys.argv[1:])
    target.write_text(header(sources(stdlib, archive)), encoding="ascii")
