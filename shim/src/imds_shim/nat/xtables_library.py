"""Imports python-iptables with its libraries; the only module that imports `iptc`."""

from __future__ import annotations

import ctypes
import os
import sys
from types import ModuleType
from typing import Any

from imds_shim import import_stubs
from imds_shim.endpoints import IPV4
from imds_shim.errors import KernelRefusedError
from imds_shim.system import read_text_or_empty

# python-iptables looks libraries up by ctypes.util, which runs ldconfig, gcc and ld (0.3 s) and fails without them.
SONAMES = {"ip4tc": "libip4tc.so.2", "ip6tc": "libip6tc.so.2", "xtables": "libxtables.so.12", "c": "libc.so.6"}


class _Counters(ctypes.Structure):
    """`struct xt_counters`, include/uapi/linux/netfilter/x_tables.h."""

    _fields_ = (("pcnt", ctypes.c_uint64), ("bcnt", ctypes.c_uint64))


# Converts rules to text by libxtables and its extensions; the shim writes rules as bytes.
_STUBS = {
    "iptc.xtables": {
        "xt_counters": _Counters,
        "xtables": import_stubs.do_nothing,
        "XTablesError": Exception,
        "__getattr__": import_stubs.unavailable,
    }
}


def load() -> Any:
    """Import python-iptables, with its library loader replaced; takes about 8 ms the first time.

    Its own loader (`iptc.util`) runs ldconfig, a compiler, a linker and modprobe. A small image has none of them, and
    the kernel loads its modules when the table is opened.

    Raises:
        KernelRefusedError: a library is missing.
    """
    if "iptc" in sys.modules:
        return sys.modules["iptc"]
    loader = ModuleType("iptc.util")
    loader.find_library = _find_library  # type: ignore[attr-defined]  # a module without a file
    loader.find_libc = lambda: _find_library("c")[0]  # type: ignore[attr-defined]
    loader.load_kernel = lambda *_: None  # type: ignore[attr-defined]
    sys.modules["iptc.util"] = loader
    try:
        import_stubs.load("iptc", _STUBS)
        import iptc
    except (OSError, ImportError, AttributeError) as error:
        sys.modules.pop("iptc.util", None)
        raise KernelRefusedError(f"python-iptables cannot be imported: {error}.") from error
    return iptc


def table(version: int) -> Any:
    """Return the table class of python-iptables for an IP version."""
    if version == IPV4:
        return load().Table
    import_stubs.load("iptc.ip6tc", _STUBS)
    from iptc.ip6tc import Table6

    return Table6


def _find_library(*names: str) -> tuple[ctypes.CDLL, int]:
    """Return the library and the major version in its name, as `iptc.util.find_library` does."""
    name = names[0]
    if name == "xtwrapper":  # part of python-iptables
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec("libxtwrapper")
        return ctypes.CDLL(str(spec.origin) if spec else "libxtwrapper.so", mode=ctypes.RTLD_GLOBAL), 0
    soname = SONAMES[name]
    library = ctypes.CDLL(soname, mode=ctypes.RTLD_GLOBAL)
    if name == "xtables" and "XTABLES_LIBDIR" not in os.environ:
        os.environ["XTABLES_LIBDIR"] = _extension_directory()
    return library, int(soname.rpartition(".")[2])


def _extension_directory() -> str:
    """Return the directory `xtables/` beside libxtables, as in Debian and in the relocatable tree."""
    for line in read_text_or_empty("/proc/self/maps").splitlines():
        if "libxtables.so" in line:
            return f"{line.split(maxsplit=5)[5].rpartition('/')[0]}/xtables"
    raise ImportError("libxtables is loaded but not listed in /proc/self/maps")
