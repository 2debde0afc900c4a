"""How each setting is read: from the text in the environment to a value, or to one sentence saying what it should be.

The readers raise ValueError; `config` gathers the sentences, so that all bad settings are named at once.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, TypeVar

from imds_shim.capabilities import NUMBERS
from imds_shim.endpoints import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_TIMEOUT_SECONDS = 86_400
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_IN_A_LABEL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_HIGHEST_PORT = 65_535
_LONGEST_NUMBER = 20
_Choice = TypeVar("_Choice", bound=str)


def hostname(text: str) -> str:
    """Return a host name or an IP literal without its brackets."""
    if not text:
        raise ValueError("must be set to the name or address of the mock, e.g. MOCK_HOSTNAME=mock_metadata")
    if "://" in text:
        raise ValueError(f"is {text!r}; give the name alone, without scheme and path")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = _address(bare)
    if address is not None:
        return address
    name, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (_is_name(name) or _address(name.strip("[]")) is not None):
        raise ValueError(f"is {text!r}; put the port into MOCK_PORT: MOCK_HOSTNAME={name.strip('[]')} MOCK_PORT={port}")
    if not _is_name(text):
        raise ValueError(f"is {text!r}, which is neither a host name nor an IP address")
    if text.rstrip(".").rpartition(".")[2].isdecimal():
        raise ValueError(f"is {text!r}, which looks like an IPv4 address and is none")
    return text


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None or address.is_link_local:
            raise ValueError(f"is {text!r}; a link-local IPv6 address cannot be the target of a rule")
        address = address.ipv4_mapped or address
    if address.is_unspecified or address.is_multicast or (address.version == 4 and address.is_reserved):  # noqa: PLR2004 - IPv4
        raise ValueError(f"is {text!r}, an address that no server can have")
    return str(address)


def _is_name(text: str) -> bool:
    name = text.removesuffix(".")
    return len(name) <= _LONGEST_NAME and all(_is_label(label) for label in name.split("."))


def _is_label(text: str) -> bool:
    return 1 <= len(text) <= _LONGEST_LABEL and _IN_A_LABEL.issuperset(text) and text.strip("-") == text


def port(text: str) -> int:
    """Return a TCP port, 1 to 65535."""
    if _are_digits(text) and 1 <= int(text) <= _HIGHEST_PORT:
        return int(text)
    raise ValueError(f"is {text!r}; it must be a port number from 1 to {_HIGHEST_PORT}")


def timeout_seconds(text: str) -> float:
    """Return a number of seconds, more than 0 and at most a day."""
    if _are_digits(text.replace(".", "", 1)) and 0 < float(text) <= LONGEST_TIMEOUT_SECONDS:
        return float(text)
    raise ValueError(
        f"is {text!r}; it must be a number of seconds greater than 0 and at most {LONGEST_TIMEOUT_SECONDS}"
    )


def _are_digits(text: str) -> bool:
    # int() and float() would take digits of every script, signs, blanks and underscores.
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def switch(text: str) -> bool:
    """Return whether a 0/1 setting is on."""
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"is {text!r}; it must be 1 or 0")
    return word in _TRUE


def one_of(*words: _Choice) -> Callable[[str], _Choice]:
    """Make a reader that accepts exactly these words, in any case."""

    def read(text: str) -> _Choice:
        for word in words:
            if text.lower() == word:
                return word
        raise ValueError(f"is {text!r}; it must be one of {', '.join(words)}")

    return read


def user(text: str) -> str:
    """Return `user[:group]` as given; who that is, the hand-off reads from the image's passwd and group files."""
    name, colon, group = text.partition(":")
    if not name or (colon and not group) or ":" in group or len(text.split()) != 1:
        raise ValueError(f"is {text!r}; it must be a name or uid, with an optional group: app, 1000, 1000:1000")
    return text


def services(text: str) -> frozenset[str]:
    """Return names of services whose addresses lead to the mock, from a list separated by commas or blanks."""
    names = frozenset(text.lower().replace(",", " ").split())
    unknown = sorted(names - SERVICES.keys())
    if unknown or not names:
        listed = ", ".join(SERVICES)
        raise ValueError(f"is {text!r}; it must be one or more of {listed}, separated by commas")
    return names


def capabilities(text: str) -> frozenset[str]:
    """Return capability names without the prefix `CAP_`, from a list separated by commas or spaces."""
    names = {name.upper().removeprefix("CAP_") for name in text.replace(",", " ").split()}
    unknown = sorted(names - NUMBERS.keys())
    if unknown:
        raise ValueError(f"names {', '.join(unknown)}, which is no Linux capability; write e.g. NET_RAW,CHOWN")
    return frozenset(names)
