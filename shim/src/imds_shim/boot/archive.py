"""What the launcher starts, as `TREE/lib/archive.pyc ARGS...`: makes the tree's modules known, then enters `boot`.

They are all in one file, because looking 150 of them up in folders takes as long as running half of them.
`pack_modules.py` writes it:

    8 bytes             length of the index, little endian
    index               marshal of {name: (is_package, where its code begins behind the index, bytes of code)}
    code, code, ...     marshal of code objects

Until that is done nothing can be imported but what is built into the interpreter, `typing` and `__future__` included.
"""

import gc
import os
import sys
from _frozen_importlib import ModuleSpec  # importlib.machinery's; the package itself is not built in
from marshal import loads

LENGTH_BYTES = 8


class Archive:
    """Finds and loads modules; a `MetaPathFinder` and `Loader` (importlib.abc)."""

    def __init__(self, path: str) -> None:
        # Kept open until exec closes it: what is imported later may come when the path means something else.
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        length = int.from_bytes(os.pread(self._file, LENGTH_BYTES, 0), "little")
        self._index: dict[str, tuple[bool, int, int]] = loads(os.pread(self._file, length, LENGTH_BYTES))  # noqa: S302 - our own build's
        self._start = LENGTH_BYTES + length

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Say how to load the module, if it is here."""
        entry = self._index.get(name)
        if entry is None:
            return None
        return ModuleSpec(name, self, origin="imds-shim", is_package=entry[0])  # type: ignore[arg-type]  # a Loader in deed

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave that to the import system."""

    def exec_module(self, module: object) -> None:
        """Run the module's code in it."""
        names = vars(module)
        _, begin, size = self._index[names["__name__"]]
        exec(loads(os.pread(self._file, size, self._start + begin)), names)  # noqa: S102, S302 - that is loading a module


if __name__ == "__main__":
    gc.disable()  # nothing that is loaded becomes garbage before exec
    tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is far away
    sys.meta_path.insert(0, Archive(f"{tree}/lib/modules"))

    from imds_shim.boot.main import main

    sys.exit(main(tree))
