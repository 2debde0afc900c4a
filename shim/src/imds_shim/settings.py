"""The parser of each setting: text from the environment to a value.

A parser raises ValueError with the rest of a sentence that begins with the variable's name. `config` collects these
sentences, so that all invalid settings are reported at once. `service_links` finds variables that only look like
settings.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, TypeVar

from imds_shim.capabilities import NUMBERS
from imds_shim.endpoints import IPV4, SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_TIMEOUT_SECONDS = 86_400
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_LABEL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_HIGHEST_PORT = 65_535
_LONGEST_NUMBER = 20
_LONGEST_QUOTED, _BEGINNING = 60, 24
_LONGEST_INSTANCE_BYTES, _LONGEST_INSTANCE_NAME = 8192, 253
_Choice = TypeVar("_Choice", bound=str)


def shown(text: str) -> str:
    """Quote a value in a message: on one line, and only the beginning of a long one.

    Several lines are not shown at all: they are a document in the wrong place, which may hold secrets.
    """
    if len(text.splitlines()) > 1:
        return "several lines of text (not shown, they may hold a secret)"
    quoted = repr(text)
    return quoted if len(quoted) <= _LONGEST_QUOTED else f"{quoted[:_BEGINNING]}... ({len(text)} characters)"


def hostname(text: str) -> str:
    """Return a host name, or an IP address without brackets."""
    if not text:
        from imds_shim.surroundings import here

        raise ValueError(f"is required: set it to {here().mock_name}")
    if "://" in text:
        raise ValueError(f"must be a name without scheme and path, not {shown(text)}{_name_in_url(text)}")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = _address(bare)
    if address is not None:
        return address
    name, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (_is_name(name) or _address(name.strip("[]")) is not None):
        raise ValueError(
            f"must be a name without a port, not {shown(text)}: set MOCK_HOSTNAME={name.strip('[]')} MOCK_PORT={port}"
        )
    if not _is_name(text) or text.rstrip(".").rpartition(".")[2].isdecimal():
        raise ValueError(f"must be a host name or an IP address, not {shown(text)}")
    return text


def _name_in_url(url: str) -> str:
    """Return what to set in place of a URL; "" if the URL has no usable name."""
    host = url.partition("://")[2].partition("/")[0]
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        if not _is_name(bare):
            return ""
    return f": set MOCK_HOSTNAME={bare}{f' MOCK_PORT={port}' if port else ''}"


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None or address.is_link_local:
            raise ValueError(
                f"must not be a link-local IPv6 address ({shown(text)}), because NAT cannot redirect to one"
            )
        address = address.ipv4_mapped or address
    if address.is_unspecified or address.is_multicast or (address.version == IPV4 and address.is_reserved):
        raise ValueError(f"must be the address of a server, not {shown(text)}")
    return str(address)


def _is_name(text: str) -> bool:
    name = text.removesuffix(".")
    return len(name) <= _LONGEST_NAME and all(_is_label(label) for label in name.split("."))


def _is_label(text: str) -> bool:
    return 1 <= len(text) <= _LONGEST_LABEL and _LABEL_CHARACTERS.issuperset(text) and text.strip("-") == text


def port(text: str) -> int:
    """Return a TCP port, 1 to 65535."""
    if _are_digits(text) and 1 <= int(text) <= _HIGHEST_PORT:
        return int(text)
    raise ValueError(f"must be a port number from 1 to {_HIGHEST_PORT}, not {shown(text)}")


def timeout_seconds(text: str) -> float:
    """Return a number of seconds greater than 0 and at most a day."""
    if _are_digits(text.replace(".", "", 1)) and 0 < float(text) <= LONGEST_TIMEOUT_SECONDS:
        return float(text)
    raise ValueError(
        f"must be a number of seconds greater than 0 and at most {LONGEST_TIMEOUT_SECONDS}, not {shown(text)}"
    )


def _are_digits(text: str) -> bool:
    # int() and float() also accept other scripts' digits, signs, whitespace and underscores.
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def boolean(text: str) -> bool:
    """Return whether a 0/1 setting is on."""
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"must be 1 or 0, not {shown(text)}")
    return word in _TRUE


def choice(*words: _Choice) -> Callable[[str], _Choice]:
    """Return a parser that accepts exactly these words, in any case."""

    def parse(text: str) -> _Choice:
        for word in words:
            if text.lower() == word:
                return word
        raise ValueError(f"must be one of {', '.join(words)}, not {shown(text)}")

    return parse


def user(text: str) -> str:
    """Return `user[:group]` unchanged; `exec.accounts` looks it up in the image's passwd and group files."""
    name, colon, group = text.partition(":")
    if not name or (colon and not group) or ":" in group or len(text.split()) != 1:
        raise ValueError(
            f"must be a name or uid with an optional group, for example app, 1000 or 1000:1000, not {shown(text)}"
        )
    return text


def instance(text: str) -> str:
    """Return the facts of the instance unchanged; the mock reads and checks them."""
    size = len(text.encode("utf-8", "surrogateescape"))
    if size > _LONGEST_INSTANCE_BYTES:
        raise ValueError(
            f"must have at most {_LONGEST_INSTANCE_BYTES} bytes, not {size}: put longer user data into a variant of "
            "the mock's configuration"
        )
    _require_utf8(text)
    return text


def instance_name(text: str) -> str:
    """Return the name of the instance unchanged; the mock checks it."""
    if len(text) > _LONGEST_INSTANCE_NAME:
        raise ValueError(f"must have at most {_LONGEST_INSTANCE_NAME} characters, not {len(text)}")
    _require_utf8(text)
    return text


def _require_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be UTF-8 text") from error


def services(text: str) -> frozenset[str]:
    """Return names from `endpoints.SERVICES`; the list is separated by commas or spaces."""
    names = frozenset(text.lower().replace(",", " ").split())
    if not names or names - SERVICES.keys():
        raise ValueError(f"must be one or more of {', '.join(SERVICES)}, separated by commas, not {shown(text)}")
    return names


def capabilities(text: str) -> frozenset[str]:
    """Return capability names without the prefix `CAP_`; the list is separated by commas or spaces."""
    names = {name.upper().removeprefix("CAP_") for name in text.replace(",", " ").split()}
    unknown = sorted(names - NUMBERS.keys())
    if unknown:
        listed = ", ".join(unknown)
        wrong = listed if len(listed) <= _LONGEST_QUOTED and listed.isprintable() else shown(text)
        raise ValueError(f"must list Linux capabilities, for example NET_RAW,CHOWN, not {wrong}")
    return frozenset(names)


def service_links(variables: Mapping[str, str]) -> set[str]:
    """Return the names of the variables that the kubelet sets for the Services of the namespace.

    A Service `mock` gives each container of its namespace MOCK_SERVICE_HOST, MOCK_PORT=tcp://10.96.0.1:80 and more, a
    Service `mock-imds-mock` gives MOCK_IMDS_MOCK_SERVICE_HOST.
    """
    found = set()
    for host in variables:
        if host.endswith("_SERVICE_HOST"):
            port = host.removesuffix("SERVICE_HOST") + "PORT"
            parts = (host.removesuffix("HOST"), f"{port}_")
            found |= {name for name in variables if name.startswith(parts)}
            if "://" in variables.get(port, ""):
                found.add(port)
    return found
