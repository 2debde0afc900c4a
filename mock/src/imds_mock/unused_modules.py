"""Keeps modules out of a serving process that Python and the libraries import for features that the mock does not use.

OpenSSL, the program and the logging setup of uvicorn, and the HTTP client of the standard library take 7 MiB and a
tenth of the start. Stand-ins take their places in `sys.modules`, with the names that are used at import time. The mock
needs none of the modules later: it speaks plain HTTP, hashes with Python's own BLAKE2 and SHA-3, and leaves it to other
processes to fetch credentials and to make keys.

`inspect` loads Python's syntax trees and bytecode, a thirtieth of the start. A program needs it only with the control
plane, after the first response.

Only a program that serves calls `leave_out`, never `Mock`: a program that embeds a mock may need all of these modules.
"""

from __future__ import annotations

import importlib
import os
import sys
from http import HTTPStatus
from types import GeneratorType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Unused(Exception):  # noqa: N818 - also stands in for classes of exceptions
    """Stands in for classes and functions that are not used; a call is a defect.

    Raises:
        NotImplementedError: It is called.
    """

    def __init__(self, *_arguments: object, **_options: object) -> None:
        super().__init__()
        raise NotImplementedError("unused_modules.py replaced what was called here")


class Deferred(ModuleType):
    """Stands in for a module until a name is used that it does not have; then it loads the module and has all names."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        vars(self).update(vars(importlib.import_module(self.__name__)))
        return object.__getattribute__(self, name)


def _is_coroutine_function(function: object) -> bool:
    """What `inspect` says of functions and methods."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)


def _ssl_name(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return 0 if name.isupper() else Unused


_COROUTINE: Final = 0x80  # the flag of a coroutine function's code

_DEFERRED: Final[dict[str, dict[str, object]]] = {
    # asyncio and uvloop import it, and use these when a signal handler is added; starlette uses more.
    "inspect": {
        "iscoroutinefunction": _is_coroutine_function,
        "isgenerator": lambda value: isinstance(value, GeneratorType),
    },
}
"""The modules that are loaded later, with the names that are used before."""

_STAND_INS: Final[dict[str, dict[str, object] | None]] = {
    "_hashlib": None,  # OpenSSL's hashes; hashlib has its own
    "ssl": {"__getattr__": _ssl_name},  # asyncio, uvloop and uvicorn define TLS connections
    "configparser": {"RawConfigParser": Unused},  # uvicorn reads files that set up logging
    "logging.config": {},
    "uvicorn.main": {"Server": Unused, "main": Unused, "run": Unused},  # its command line, with click
    "http.client": {"responses": {int(status): status.phrase for status in HTTPStatus}},  # starlette reads the phrases
    "html": {"escape": Unused},  # starlette's pages for debugging
    "http.cookies": {"SimpleCookie": Unused},
    "mimetypes": {"guess_type": Unused},  # starlette sends files by their names
    "shlex": {"shlex": Unused},  # starlette splits settings of programs
    "starlette.formparsers": dict.fromkeys(("FormParser", "MultiPartException", "MultiPartParser"), Unused),
    "starlette.websockets": dict.fromkeys(("WebSocket", "WebSocketClose", "WebSocketDisconnect"), Unused),
    "platform": {"system": lambda: os.uname().sysname},  # uuid; uvicorn's command line
}
"""The names of each stand-in; None makes the import fail, as where the module does not exist."""

_installed: dict[str, ModuleType | None] = {}


def leave_out(*only: str) -> None:
    """Install stand-ins; modules that are loaded already stay.

    Args:
        only: The modules to leave out; none means all, for a process that serves.
    """
    for name, names in _STAND_INS.items():
        if (only and name not in only) or name in sys.modules or (name == "_hashlib" and not _has_own_hashes()):
            continue
        stand_in = None
        if names is not None:
            stand_in = ModuleType(name)
            vars(stand_in).update(names)
        _put(name, stand_in)
    if not only:
        for name, names in _DEFERRED.items():
            if name not in sys.modules:
                deferred = Deferred(name)
                vars(deferred).update(names)
                _put(name, deferred)
        _import_msgspec()


def _import_msgspec() -> None:
    """Import msgspec as where `typing_extensions` is not installed; on Python 3.11, starlette needs it later."""
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # None: the import fails
    try:
        importlib.import_module("msgspec")
    finally:
        del sys.modules["typing_extensions"]


def _has_own_hashes() -> bool:
    """Whether Python has hashes without OpenSSL; a distribution may leave them out."""
    try:
        return all(importlib.import_module(name) for name in ("_blake2", "_sha3"))
    except ImportError:
        return False


def _put(name: str, stand_in: ModuleType | None) -> None:
    sys.modules[name] = _installed[name] = stand_in  # type: ignore[assignment]  # None: the import fails
    parent, _, attribute = name.rpartition(".")
    if parent in sys.modules and stand_in is not None:
        setattr(sys.modules[parent], attribute, stand_in)


def restore() -> bool:
    """Remove the stand-ins, so that the next import loads the real modules.

    Returns:
        Whether there were any.
    """
    for name, stand_in in _installed.items():
        parent, _, attribute = name.rpartition(".")
        if getattr(sys.modules.get(parent), attribute, None) is stand_in is not None:
            delattr(sys.modules[parent], attribute)
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
    had_any = bool(_installed)
    _installed.clear()
    return had_any


def import_with(load: Callable[[], T]) -> T:
    """What a function returns that imports libraries; if it fails with the stand-ins, it is called without them.

    A newer version of a library may use more at import time than a stand-in has.

    Raises:
        Exception: The function fails without the stand-ins, too. An `OSError` is not their fault.
    """
    try:
        return load()
    except OSError:
        raise
    except Exception:
        if not restore():
            raise
        return load()
