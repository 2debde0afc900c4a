"""python-iptables, loaded with its libraries where Linux has them: the only module that names `iptc`."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from imds_shim import import_stubs
from imds_shim.errors import KernelRefusedError
from imds_shim.textfile import read_if_there

# The names under which Linux has them. python-iptables asks ctypes.util, which runs ldconfig, gcc and ld (0.3 s) or,
# where there are none, finds nothing.
SONAMES = {"ip4tc": "libip4tc.so.2", "ip6tc": "libip6tc.so.2", "xtables": "libxtables.so.12", "c": "libc.so.6"}


def load() -> Any:
    """Import python-iptables with a loader that knows where its libraries are; about 8 ms, once.

    Its own (`iptc.util`) runs ldconfig, a compiler, a linker and modprobe. None of them is in a small image, and the
    kernel loads its modules by itself when the table is asked for.

    Raises:
        KernelRefusedError: a library is not installed.
    """
    if "iptc" in sys.modules:
        return sys.modules["iptc"]
    loader = ModuleType("iptc.util")
    loader.find_library = _find_library  # type: ignore[attr-defined]  # a module made by hand
    loader.find_libc = lambda: _find_library("c")[0]  # type: ignore[attr-defined]
    loader.load_kernel = lambda *_: None  # type: ignore[attr-defined]
    sys.modules["iptc.util"] = loader
    try:
        import_stubs.load("iptc")
        import iptc  # noqa: PLC0415 - slow, and raises where a library is missing
    except (OSError, ImportError, AttributeError) as error:
        sys.modules.pop("iptc.util", None)
        raise KernelRefusedError(f"python-iptables cannot be loaded: {error}.") from error
    return iptc


def table(version: int) -> Any:
    """Return python-iptables' class for the tables of one IP version."""
    if version == 4:  # noqa: PLR2004 - IP version
        return load().Table
    import_stubs.load("iptc.ip6tc")
    from iptc.ip6tc import Table6  # noqa: PLC0415 - most starts have no use for it

    return Table6


def _find_library(*names: str) -> tuple[ctypes.CDLL, int]:
    """What `iptc.util.find_library` returns: the library and the major number in its name."""
    name = names[0]
    if name == "xtwrapper":  # python-iptables' own, beside it
        spec = PathFinder.find_spec("libxtwrapper")
        return ctypes.CDLL(str(spec.origin) if spec else "libxtwrapper.so", mode=ctypes.RTLD_GLOBAL), 0
    soname = SONAMES[name]
    library = ctypes.CDLL(soname, mode=ctypes.RTLD_GLOBAL)
    if name == "xtables" and "XTABLES_LIBDIR" not in os.environ:
        os.environ["XTABLES_LIBDIR"] = _extension_directory()
    return library, int(soname.rpartition(".")[2])


def _extension_directory() -> str:
    """`xtables/` beside libxtables itself: so it is in Debian and in the relocatable tree."""
    for line in read_if_there("/proc/self/maps").splitlines():
        if "libxtables.so" in line:
            return f"{line.split(maxsplit=5)[5].rpartition('/')[0]}/xtables"
    raise ImportError("libxtables is loaded and not to be found in /proc/self/maps")
