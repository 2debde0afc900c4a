"""Packs the compiled modules of the tree into one file; `imds_shim.boot.archive` describes the format and reads it.

pack_modules.py TREE DIRECTORY... (called by build-tree.sh) moves every `.pyc` below the directories into
TREE/lib/modules, and lists the extension modules there.
"""

from __future__ import annotations

import marshal
import sys
import zlib
from pathlib import Path

PYC_HEADER_BYTES = 16
LENGTH_BYTES = 8


def pack(tree: Path, directories: list[Path]) -> None:
    """Move the modules into the archive."""
    index: dict[str, tuple[bool, int, int, int] | str] = {}
    code = bytearray()
    for directory in directories:
        for file in sorted(directory.rglob("*.pyc")):
            parts = file.relative_to(directory).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            compiled = file.read_bytes()[PYC_HEADER_BYTES:]
            packed = zlib.compress(compiled, zlib.Z_BEST_COMPRESSION)
            index[".".join(parts[:-1] if is_package else parts)] = (is_package, len(code), len(packed), len(compiled))
            code += packed
            file.unlink()
        for file in sorted(directory.glob("lib-dynload/*.so")):
            index[file.name.partition(".")[0]] = str(file.relative_to(tree))
    listed = marshal.dumps(index)
    (tree / "lib/modules").write_bytes(len(listed).to_bytes(LENGTH_BYTES, "little") + listed + code)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
