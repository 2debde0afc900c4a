"""Packs the compiled modules of the tree into one file, whose form `imds_shim.boot.archive` describes and reads.

pack_modules.py FILE FOLDER... (build-tree.sh calls it): every `.pyc` below the folders goes into FILE and is removed.
`encodings` stays where it is, as the interpreter loads it before any code of ours can run, and so does `os`, by which
the interpreter finds its folder.
"""

from __future__ import annotations

import marshal
import sys
from pathlib import Path

PYC_HEADER_BYTES = 16
LENGTH_BYTES = 8
LOADED_BEFORE = ("encodings", "os")


def pack(target: Path, folders: list[Path]) -> None:
    """Move the modules into `target`."""
    index: dict[str, tuple[bool, int, int]] = {}
    code = bytearray()
    for folder in folders:
        for file in sorted(folder.rglob("*.pyc")):
            parts = file.relative_to(folder).with_suffix("").parts
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
