"""The program that the tree's interpreter runs: makes the modules importable, runs `main`.

All modules are in one file, because finding 150 of them in directories takes as long as running half of them.
`pack_modules.py` writes the file:

    8 bytes             length of the index, little endian
    index               marshal of {name: (is_package, offset of its code after the index, compressed size, size)};
                        an extension module has its path in the tree instead
    code, code, ...     marshal of code objects, each compressed by zlib

Until then only modules that are built into the interpreter can be imported, so neither `typing` nor `__future__`.
"""

import _frozen_importlib  # importlib itself is not built in
import _imp
import os
import sys
from marshal import loads

from unpacking import unpack  # type: ignore[import-not-found]  # a part of the interpreter

LENGTH_BYTES = 8
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Archive:
    """Loads the modules."""

    def __init__(self) -> None:
        self._importlib: Any = _frozen_importlib  # private names of it are used
        self._load_other = self._importlib._find_and_load  # noqa: SLF001 - see `install`
        self._code: dict[str, Any] = {}
        self._index: dict[str, tuple[bool, int, int, int] | str] = {}

    def open(self, tree: str) -> None:
        """Open the file in the tree at this path, and read its index if a snapshot does not have it."""
        self._tree = tree
        # Stays open until exec, because the path may not exist any more when a module is imported later.
        self._file = os.open(f"{tree}/lib/modules", os.O_RDONLY | os.O_CLOEXEC)
        if self._index:
            return
        length = int.from_bytes(os.pread(self._file, LENGTH_BYTES, 0), "little")
        self._index = loads(os.pread(self._file, length, LENGTH_BYTES))  # noqa: S302 - written by our build
        self._start = LENGTH_BYTES + length

    def keep_code(self, names: tuple[str, ...]) -> None:
        """Read the code of modules that are made later."""
        self._code = {name: self._read(self._index[name]) for name in names}

    def _read(self, entry: "Any") -> "Any":
        _, begin, packed, size = entry
        return loads(unpack(os.pread(self._file, packed, self._start + begin), size))  # noqa: S302 - written by our build

    def close(self) -> None:
        """Forget what belongs to this process, and the modules that are imported."""
        os.close(self._file)
        del self._tree, self._file
        self._index = {name: entry for name, entry in self._index.items() if name not in sys.modules}

    def install(self) -> None:
        """Load the archive's modules at once, without finders, specifications and locks, which take 5% of a start.

        An `import` statement calls this function of importlib if the module is not in `sys.modules`. The shim has one
        thread, and no library in the tree asks for the specification of a module.
        """
        self._importlib._find_and_load = self.load  # noqa: SLF001 - see above

    def load(self, name: str, import_: object) -> object:
        """Return the module, loaded with its parents; other modules are loaded by importlib."""
        modules = sys.modules
        entry = self._index.get(name)
        if entry is None or name in modules:
            return self._load_other(name, import_)
        parent, _, child = name.rpartition(".")
        if parent and parent not in modules:
            self.load(parent, import_)
            if name in modules:
                return modules[name]
        if isinstance(entry, str):
            module = _imp.create_dynamic(self._importlib.ModuleSpec(name, None, origin=f"{self._tree}/{entry}"))
            modules[name] = module
            _imp.exec_dynamic(module)
        else:
            is_package = entry[0]
            module = modules[name] = type(sys)(name)
            names = module.__dict__
            names["__package__"] = name if is_package else parent
            if is_package:
                names["__path__"] = []
            try:
                exec(self._code.get(name) or self._read(entry), names)  # noqa: S102 - loads a module
            except BaseException:
                modules.pop(name, None)
                raise
        if parent:
            setattr(modules[parent], child, module)
        return modules[name]


_archive = Archive()


def prepare(tree: str) -> None:
    """Import what every start uses, for a snapshot; `run` may be called in another process."""
    _archive.open(tree)
    _archive.install()
    from imds_shim.boot import imports, main  # noqa: F401 - for `run`

    _archive.keep_code(imports.LATER)
    _archive.close()


def _forget_closed_streams() -> None:
    """Set the standard streams that are closed in this process to None, before a file gets the number of one.

    They may be those of the process that has written the snapshot.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            setattr(sys, name, None)


def run(tree: str, arguments: list[bytes], environ: list[bytes], ignored: list[int]) -> int:
    """Run the program from the tree at this path; returns its exit code.

    Args:
        tree: path of the tree.
        arguments: those after the name of the program.
        environ: every entry, as the launcher passed it.
        ignored: the signals that are ignored from the start.
    """
    _forget_closed_streams()
    _archive.open(tree)
    _archive.install()
    from imds_shim.boot.main import main

    return main(tree, arguments, environ, ignored)
