"""Packs the compiled modules of the tree into one file; `imds_shim.boot.archive` describes the format and reads it.

pack_modules.py FILE DIRECTORY... (called by build-tree.sh) moves every `.pyc` below the directories into FILE, except
`encodings`, which the interpreter imports before it runs any code, and `os`, by which it finds its library.
"""

from __future__ import annotations

import marshal
import sys
from pathlib import Path

PYC_HEADER_BYTES = 16
LENGTH_BYTES = 8
LOADED_BEFORE = ("encodings", "os")


def pack(target: Path, directories: list[Path]) -> None:
    """Move the modules into `target`."""
    index: dict[str, tuple[bool, int, int]] = {}
    code = bytearray()
    for directory in directories:
        for file in sorted(directory.rglob("*.pyc")):
            parts = file.relative_to(directory).with_suffix("").parts
            if parts[0] in LOADED_BEFORE:
                continue
            is_package = parts[-1] == "__init__"
            compiled = file.read_bytes()[PYC_HEADER_BYTES:]
            index[".".join(parts[:-1] if is_package else parts)] = (is_package, len(code), len(compiled))
            code += compiled
            file.unlink()
    listed = marshal.dumps(index)
    target.write_bytes(len(listed).to_bytes(LENGTH_BYTES, "little") + listed + code)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
