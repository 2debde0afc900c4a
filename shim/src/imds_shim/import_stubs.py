"""Loading httpx, dnspython and python-iptables without the modules that only their unused features need.

They load at their import what a client session, a proxy, a TLS certificate, a signed message, a name in another script
or a rule of the other IP version would need: three quarters of what a whole start may take. While they load, those
modules are represented by ones that hold only the names which are touched at import. Nothing here calls what is left
out: of httpx the shim uses requests, responses and the transport interface, of dnspython messages, of python-iptables
the IPv4 table. A version that touches more is loaded as usual.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
import typing
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_Names = dict[str, object]


class _LeftOut:
    """In the place of a class or function that no start uses; using it all the same is a defect, which this names."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        raise NotImplementedError("lean.py has left out what was called here")


def _exported(*names: str) -> _Names:
    return {"__all__": names, **dict.fromkeys(names, _LeftOut)}


def _anything(_name: str) -> type[_LeftOut]:
    return _LeftOut


class _Unread(str):
    """An annotation that is a string: typing would compile it, for type checkers only, which costs a millisecond."""

    __slots__ = ()

    def __new__(cls, annotation: str, **_context: object) -> Self:
        return super().__new__(cls, annotation)


class _PatternOnUse(str):
    """A regular expression that is compiled when it is first used: a start uses few of those that libraries have.

    It is text as well, because `re.match` and its like take that as they take a compiled one.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> object:
        """Return what the compiled one has by that name."""
        return getattr(_compiled(str(self)), name)

    @property
    def split(self) -> object:  # type: ignore[override]  # the compiled one's, not that of text
        """Return the one name that both have."""
        return self.__getattr__("split")


def _on_use(pattern: Any, flags: int = 0) -> Any:
    return _compiled(pattern, flags) if flags or not isinstance(pattern, str) else _PatternOnUse(pattern)


_compiled = re.compile


def _nothing(_of: object) -> None:
    return None


def _no_version(name: str) -> str:
    raise LookupError(name)


def _no_signature(_of: object) -> str:
    return ""


def _no_boundary(**_of: object) -> None:
    return None


def _plain_values(**_options: object) -> Callable[[type], type]:
    """Stand in for `dataclass`, for classes whose fields all have defaults: without the code it would write."""

    def complete(of: type) -> type:
        def take(self: object, **fields: object) -> None:
            vars(self).update(fields)

        of.__init__ = take  # type: ignore[misc]  # as dataclass does
        return of

    return complete


class _Counters(ctypes.Structure):
    """`struct xt_counters`, include/uapi/linux/netfilter/x_tables.h."""

    _fields_ = (("pcnt", ctypes.c_uint64), ("bcnt", ctypes.c_uint64))


# What libxtables and its extensions make of rules as text; the rules here are bytes.
_XTABLES: _Names = {
    "xt_counters": _Counters,
    "xtables": _nothing,
    "XTablesError": Exception,
    "__getattr__": _anything,
}
_UNNEEDED: dict[str, dict[str, _Names | None]] = {
    "httpx": {
        "inspect": {},  # bodies that are generators
        "pathlib": {"Path": object},  # uploads
        "urllib": {},
        "urllib.request": {"Request": object, "getproxies": dict, "parse_http_list": list},  # proxies, cookies
        "http.cookiejar": {"Cookie": object, "CookieJar": object},
        "email.message": {},  # character sets of bodies
        "idna": {"IDNAError": UnicodeError},  # hosts here are addresses
        "datetime": {},  # how long an answer took
        "json": {"dumps": None},  # bodies in JSON
        "urllib.parse": {"parse_qs": None, "unquote": None, "urlencode": None},  # queries and forms
        # Sessions, with all that they bring: the requests here go to a transport of our own.
        "httpx._api": _exported("delete", "get", "head", "options", "patch", "post", "put", "request", "stream"),
        "httpx._auth": _exported("Auth", "BasicAuth", "DigestAuth", "NetRCAuth"),
        "httpx._client": _exported("AsyncClient", "Client", "USE_CLIENT_DEFAULT"),
        "httpx._config": _exported("Limits", "Proxy", "Timeout", "create_ssl_context"),
        "httpx._main": None,  # its command line program
        "httpx._multipart": {"MultipartStream": _LeftOut, "get_multipart_boundary_from_content_type": _no_boundary},
        "httpx._status_codes": _exported("codes"),  # names for the numbers
        "httpx._transports.asgi": _exported("ASGITransport"),
        "httpx._transports.default": _exported("AsyncHTTPTransport", "HTTPTransport"),
        "httpx._transports.mock": _exported("MockTransport"),
        "httpx._transports.wsgi": _exported("WSGITransport"),
        # But for two, names for annotations.
        "httpx._types": {
            "__all__": ("AsyncByteStream", "SyncByteStream"),
            "AsyncByteStream": type("AsyncByteStream", (), {}),
            "SyncByteStream": type("SyncByteStream", (), {"close": _nothing}),
            "__getattr__": _anything,
        },
    },
    "socket": {"selectors": {}},  # sending files
    "dns.message": {
        "inspect": {"signature": _no_signature},  # documentation of immutable classes
        "importlib.metadata": {"version": _no_version},  # asks which optional packages are there: none
        "hashlib": {},
        "random": {"SystemRandom": object},  # for the number of a question that has none
        "string": {"digits": "0123456789", "ascii_lowercase": "abcdefghijklmnopqrstuvwxyz"},  # templates
        "dataclasses": {"dataclass": _plain_values},  # styles of text
        "encodings.idna": {},  # names in other scripts
        "threading": {"Lock": object},  # a second source of random numbers
        "dns.edns": {"__getattr__": _anything},  # extensions
        "dns.rdtypes.ANY.OPT": {},
        "dns.rdtypes.ANY.SOA": {},  # how long an answer may be kept that there is none
        "dns.rdtypes.ANY.TSIG": {},  # signed messages
        "dns.tsig": {"__getattr__": _anything},
    },
    "iptc": {
        "shlex": {},  # rules as text
        "iptc.easy": {},  # rules as dictionaries
        "iptc.ip6tc": _exported("is_table6_available", "Table6", "Rule6"),
        "iptc.xtables": _XTABLES,
    },
    "iptc.ip6tc": {"iptc.xtables": _XTABLES},
}
"""For each library, what to represent by which names; None makes an import of it fail, as if it were not installed."""


def load(library: str) -> None:
    """Import one of the above; the importing module's own `import` then finds it, or loads it as usual."""
    if library in sys.modules:
        return
    package, dot, _ = library.partition(".")
    if dot:
        importlib.import_module(package)
    before = set(sys.modules)
    undo: list[Callable[[], object]] = []
    for name, names in _UNNEEDED[library].items():
        if name not in sys.modules:
            _represent(name, names, undo)
    reference, typing.ForwardRef = typing.ForwardRef, _Unread  # type: ignore[misc,assignment]  # for the time being
    re.compile = _on_use
    try:
        importlib.import_module(library)
    except Exception:  # noqa: BLE001 - whatever it missed, it is there when it is loaded as usual
        for name in set(sys.modules) - before:
            if name == package or name.startswith(f"{package}."):
                del sys.modules[name]
    finally:
        typing.ForwardRef = reference  # type: ignore[misc]  # as it was
        re.compile = _compiled
        for step in undo:
            step()


def _represent(name: str, names: _Names | None, undo: list[Callable[[], object]]) -> None:
    if names is None:
        # The import system takes None for "known not to exist".
        sys.modules[name] = None  # type: ignore[assignment]
    else:
        sys.modules[name] = module = ModuleType(name)
        vars(module).update(names)
        parent, _, attribute = name.rpartition(".")
        holder = sys.modules.get(parent)
        if holder is not None:
            setattr(holder, attribute, module)
            undo.append(lambda: delattr(holder, attribute))
    undo.append(lambda: sys.modules.pop(name, None))
