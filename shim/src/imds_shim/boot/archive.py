"""The program that the launcher starts as `TREE/lib/archive.pyc ARGS...`: makes the modules importable, runs `main`.

All modules are in one file, because finding 150 of them in directories takes as long as running half of them.
`pack_modules.py` writes the file:

    8 bytes             length of the index, little endian
    index               marshal of {name: (is_package, offset of its code after the index, size of its code)}
    code, code, ...     marshal of code objects

Until then only modules that are built into the interpreter can be imported, so neither `typing` nor `__future__`.
"""

import gc
import os
import sys
from _frozen_importlib import ModuleSpec  # importlib.machinery's; the package itself is not built in
from marshal import loads

LENGTH_BYTES = 8


class Archive:
    """Finds and loads the modules; a `MetaPathFinder` and `Loader` (importlib.abc)."""

    def __init__(self, path: str) -> None:
        # Stays open until exec, because the path may not exist any more when a module is imported later.
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        length = int.from_bytes(os.pread(self._file, LENGTH_BYTES, 0), "little")
        self._index: dict[str, tuple[bool, int, int]] = loads(os.pread(self._file, length, LENGTH_BYTES))  # noqa: S302 - written by our build
        self._start = LENGTH_BYTES + length

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Return how to load the module, or None if the archive does not contain it."""
        entry = self._index.get(name)
        if entry is None:
            return None
        return ModuleSpec(name, self, origin="imds-shim", is_package=entry[0])  # type: ignore[arg-type]  # has a Loader's methods

    def create_module(self, _spec: ModuleSpec) -> None:
        """Use the import system's default."""

    def exec_module(self, module: object) -> None:
        """Run the module's code."""
        names = vars(module)
        _, begin, size = self._index[names["__name__"]]
        exec(loads(os.pread(self._file, size, self._start + begin)), names)  # noqa: S102, S302 - loads a module


if __name__ == "__main__":
    gc.disable()  # nothing becomes garbage before exec
    tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is not importable yet
    sys.meta_path.insert(0, Archive(f"{tree}/lib/modules"))

    from imds_shim.boot.main import main

    sys.exit(main(tree))
