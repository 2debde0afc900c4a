"""Imports httpx, dnspython and python-iptables with stubs for the modules that the shim does not need.

On import these libraries load what sessions, proxies, TLS, signed messages, internationalized names and IPv6 rules
need. During the import, stubs replace those modules, so that the tree and its snapshot do not contain them; a stub has
only the names that are used at import time. The shim uses requests, responses and the transport interface of httpx, the
messages of dnspython, and the IPv4 table of python-iptables, which is imported after the snapshot, in each start. If a
version of a library needs more, it is imported without stubs.
"""

from __future__ import annotations

import contextlib
import re
import sys
import typing
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Names = dict[str, object]


class _Unavailable:
    """Stands in for a class or function that the shim does not use; a call is a defect and raises an error."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        raise NotImplementedError("import_stubs.py replaced what was called here")


def _exported(*names: str) -> Names:
    return {"__all__": names, **dict.fromkeys(names, _Unavailable)}


def unavailable(_name: str) -> type[_Unavailable]:
    """Return what stands in for a name that the shim does not use."""
    return _Unavailable


class _UncompiledAnnotation(str):
    """A string annotation that is not compiled; the code of all of them would make the snapshot 0.2 MB larger."""

    __slots__ = ()

    def __new__(cls, annotation: str, **_context: object) -> Self:
        return super().__new__(cls, annotation)


def do_nothing(*_of: object) -> None:
    """Stand in for a function whose work is not needed."""


def _no_version(name: str) -> str:
    raise LookupError(name)


def _no_signature(_of: object) -> str:
    return ""


def _no_boundary(**_of: object) -> None:
    return None


def _simple_dataclass(**_options: object) -> Callable[[type], type]:
    """Stand in for `dataclass`, without code generation, for classes whose fields all have defaults."""

    def complete(of: type) -> type:
        def take(self: object, **fields: object) -> None:
            vars(self).update(fields)

        of.__init__ = take  # type: ignore[misc]  # as dataclass does
        return of

    return complete


class _Variable:
    """A `contextvars.ContextVar` for one thread without tasks; the token that `set` returns is the old value."""

    def __init__(self, _name: str, *, default: object) -> None:
        self._value = default

    def get(self) -> object:
        return self._value

    def reset(self, value: object) -> object:
        previous, self._value = self._value, value
        return previous

    set = reset


_STUBS: dict[str, dict[str, Names]] = {
    "httpx": {
        "warnings": {},  # obsolete arguments
        "inspect": {},  # generators as bodies
        "pathlib": {"Path": object},  # uploads
        "urllib": {},
        "urllib.request": {"Request": object, "getproxies": dict, "parse_http_list": list},  # proxies, cookies
        "http.cookiejar": {"Cookie": object, "CookieJar": object},
        "email.message": {},  # character sets of bodies
        "idna": {"IDNAError": UnicodeError},  # hosts here are addresses
        "datetime": {},  # elapsed time
        "json": {"dumps": None},  # bodies in JSON
        "urllib.parse": {"parse_qs": None, "unquote": None, "urlencode": None},  # queries and forms
        # Sessions: the shim sends its requests through a transport of its own.
        "httpx._api": _exported("delete", "get", "head", "options", "patch", "post", "put", "request", "stream"),
        "httpx._auth": _exported("Auth", "BasicAuth", "DigestAuth", "NetRCAuth"),
        "httpx._client": _exported("AsyncClient", "Client", "USE_CLIENT_DEFAULT"),
        "httpx._config": _exported("Limits", "Proxy", "Timeout", "create_ssl_context"),
        # Bodies: compressed, text, lines.
        "httpx._decoders": _exported(
            *("ByteChunker", "ContentDecoder", "IdentityDecoder", "LineDecoder", "MultiDecoder"),
            *("SUPPORTED_DECODERS", "TextChunker", "TextDecoder"),
        ),
        "httpx._multipart": {"MultipartStream": _Unavailable, "get_multipart_boundary_from_content_type": _no_boundary},
        "httpx._status_codes": _exported("codes"),  # names for the numbers
        "httpx._transports.asgi": _exported("ASGITransport"),
        "httpx._transports.default": _exported("AsyncHTTPTransport", "HTTPTransport"),
        "httpx._transports.mock": _exported("MockTransport"),
        "httpx._transports.wsgi": _exported("WSGITransport"),
        # Only two of its names are used outside annotations.
        "httpx._types": {
            "__all__": ("AsyncByteStream", "SyncByteStream"),
            "AsyncByteStream": type("AsyncByteStream", (), {}),
            "SyncByteStream": type("SyncByteStream", (), {"close": do_nothing}),
            "__getattr__": unavailable,
        },
    },
    "dns.message": {
        "contextvars": {"ContextVar": _Variable},
        "base64": {},  # text of records
        "inspect": {"signature": _no_signature},  # documentation of immutable classes
        "importlib.metadata": {"version": _no_version},  # looks for optional packages: none
        "hashlib": {},
        "random": {"SystemRandom": object},  # for a query without an id
        "dataclasses": {"dataclass": _simple_dataclass},  # text styles
        "encodings.idna": {},  # internationalized names
        "threading": {"Lock": object},  # a second source of random numbers
        "dns.edns": {"__getattr__": unavailable},  # extensions
        "dns.rdtypes.ANY.OPT": {},
        "dns.rdtypes.ANY.SOA": {},  # how long a negative response may be cached
        "dns.rdtypes.ANY.TSIG": {},  # signed messages
        "dns.tsig": {"__getattr__": unavailable},
    },
    "iptc": {
        "re": {**vars(re), "compile": do_nothing},  # one pattern, for rules as text
        "shlex": {},  # rules as text
        "socket": vars(socket),
        "iptc.easy": {},  # rules as dictionaries
        "iptc.ip6tc": _exported("is_table6_available", "Table6", "Rule6"),
    },
    "iptc.ip6tc": {},
}
"""The stubs for each library and their names."""


def load(library: str, more: Mapping[str, Names] | None = None) -> None:
    """Import a library with its stubs; a later `import` finds it, or imports it without stubs if this failed.

    Args:
        library: one of those that have stubs here.
        more: further stubs, by module.
    """
    if library in sys.modules:
        return
    package, dot, _ = library.partition(".")
    if dot:
        __import__(package)
    before = set(sys.modules)
    with contextlib.ExitStack() as restore:
        for name, names in {**_STUBS[library], **(more or {})}.items():
            _install_stub(name, names, restore)
        _replace(vars(typing), "ForwardRef", _UncompiledAnnotation, restore)
        try:
            __import__(library)
        except Exception:  # noqa: BLE001 - whatever was missing is there without stubs
            for name in set(sys.modules) - before:
                if name == package or name.startswith(f"{package}."):
                    del sys.modules[name]


def _install_stub(name: str, names: Names, restore: contextlib.ExitStack) -> None:
    stub = ModuleType(name)
    vars(stub).update(names)
    parent, _, attribute = name.rpartition(".")
    if parent in sys.modules:
        _replace(vars(sys.modules[parent]), attribute, stub, restore)
    _replace(sys.modules, name, stub, restore)


def _replace(entries: dict[str, Any], key: str, value: object, restore: contextlib.ExitStack) -> None:
    if key in entries:
        restore.callback(entries.__setitem__, key, entries[key])
    else:
        restore.callback(entries.pop, key, None)
    entries[key] = value
