"""Loading httpx, dnspython and dataclasses without the modules that only their unused features need.

They load at their import what a proxy, a cookie, a redirect, a TLS certificate, a DNSSEC signature or a name in another
script would need: three quarters of what a whole start may take. While they load, those modules are represented by
ones that hold only the names which are touched at import. Nothing here calls what is missing: of httpx the shim uses
requests, responses and the transport interface, of dnspython messages. A version that touches more is loaded as usual.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def _no_version(name: str) -> str:
    raise LookupError(name)


def _no_logger(_name: str) -> None:
    return None


def _no_signature(_of: object) -> str:
    return ""


def _annotations(of: type) -> object:
    return vars(of).get("__annotations__", {})


_Names = dict[str, object]
_UNNEEDED: dict[str, dict[str, _Names | None]] = {
    "dataclasses": {
        # For the docstring of a class that has none, and for the annotations of its fields.
        "inspect": {"signature": _no_signature, "get_annotations": _annotations},
    },
    "httpx": {
        "inspect": {},  # bodies that are generators
        "pathlib": {"Path": object},  # uploads
        "httpx._main": None,  # its command line program
        "urllib.request": {"Request": object, "getproxies": dict, "parse_http_list": list},  # proxies, cookies
        "http.cookiejar": {"Cookie": object, "CookieJar": object},
        "email.message": {},  # character sets of bodies
        "mimetypes": {},  # uploads
        "idna": {"IDNAError": UnicodeError},  # hosts here are addresses
        "hashlib": dict.fromkeys(("md5", "sha1", "sha256", "sha512")),  # digest authentication
        "logging": {"getLogger": _no_logger},  # of httpx.Client, which is not used
        "datetime": {},  # how long an answer took
        "json": {"dumps": None},  # bodies in JSON
        "urllib.parse": {"parse_qs": None, "unquote": None, "urlencode": None},  # queries and forms
    },
    "dns.message": {
        "inspect": {"signature": _no_signature},  # documentation of immutable classes
        "importlib.metadata": {"version": _no_version},  # asks which optional packages are there: none
        "hashlib": dict.fromkeys(("md5", "sha1", "sha224", "sha256", "sha384", "sha512")),  # signed messages
        "hmac": {},
        "encodings.idna": {},  # names in other scripts
        "threading": {"Lock": object},  # a second source of random numbers
    },
}
"""For each library, what to represent by which names; None makes an import of it fail, as if it were not installed."""

# From this version on dataclasses read annotations by other means.
_UNKNOWN_DATACLASSES = (3, 14)


def load(library: str) -> None:
    """Import one of the above; the importing module's own `import` then finds it, or loads it as usual."""
    if library in sys.modules or (library == "dataclasses" and sys.version_info >= _UNKNOWN_DATACLASSES):
        return
    if library != "dataclasses":
        # Both libraries use it, and it must not keep what represents `inspect` for them.
        load("dataclasses")
    before = set(sys.modules)
    with _represented(_UNNEEDED[library]):
        try:
            importlib.import_module(library)
        except Exception:  # noqa: BLE001 - whatever it missed, it is there when it is loaded as usual
            package = library.partition(".")[0]
            for name in set(sys.modules) - before:
                if name == package or name.startswith(f"{package}."):
                    del sys.modules[name]


@contextlib.contextmanager
def _represented(modules: Mapping[str, _Names | None]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name, names in modules.items():
            if name not in sys.modules:
                _represent(name, names, stack)
        yield


def _represent(name: str, names: _Names | None, stack: contextlib.ExitStack) -> None:
    if names is None:
        # The import system takes None for "known not to exist".
        sys.modules[name] = None  # type: ignore[assignment]
    else:
        sys.modules[name] = module = ModuleType(name)
        vars(module).update(names)
        parent, dot, attribute = name.rpartition(".")
        if dot:
            holder = importlib.import_module(parent)
            setattr(holder, attribute, module)
            stack.callback(delattr, holder, attribute)
    stack.callback(sys.modules.pop, name, None)
