"""Parses the hosts file and resolv.conf as hosts(5) and resolv.conf(5) describe them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from imds_shim.frozen_record import FrozenRecord

if TYPE_CHECKING:
    from imds_shim.endpoints import IPAddress

_DEFAULT_NDOTS, _MOST_NDOTS = 1, 15
_DEFAULT_TIMEOUT_SECONDS, _LONGEST_TIMEOUT_SECONDS = 5, 30


class ResolverConfig(FrozenRecord):
    """The settings in resolv.conf; `servers` are IP addresses, IPv6 ones possibly with a zone."""

    servers: tuple[str, ...]
    search: tuple[str, ...]
    ndots: int
    timeout_seconds: float
    use_tcp: bool


def addresses_in_hosts(text: str, host: str) -> list[IPAddress]:
    """Return the addresses of a name in a hosts file, in the file's order."""
    wanted = host.rstrip(".").lower()
    found: list[IPAddress] = []
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if wanted in (name.rstrip(".").lower() for name in names):
            try:
                found.append(ipaddress.ip_address(address.partition("%")[0]))
            except ValueError:
                continue
    return list(dict.fromkeys(found))


def resolver_config(text: str) -> ResolverConfig:
    """Parse a resolv.conf; without a usable name server it is 127.0.0.1, as in the C library."""
    servers: list[str] = []
    search: list[str] = []
    ndots, timeout_seconds, use_tcp = _DEFAULT_NDOTS, _DEFAULT_TIMEOUT_SECONDS, False
    for line in text.splitlines():
        keyword, *words = line.split() or [""]
        if keyword == "nameserver" and words and _is_address(words[0]):
            servers.append(words[0])
        elif keyword == "domain" and words:
            search = words[:1]
        elif keyword == "search":
            search = words
        elif keyword == "options":
            for option in words:
                name, _, value = option.partition(":")
                if name == "ndots" and value.isdecimal():
                    ndots = min(int(value), _MOST_NDOTS)
                elif name == "timeout" and value.isdecimal() and int(value) > 0:
                    timeout_seconds = min(int(value), _LONGEST_TIMEOUT_SECONDS)
                elif name == "use-vc":
                    use_tcp = True
    return ResolverConfig(
        servers=tuple(dict.fromkeys(servers)) or ("127.0.0.1",),
        search=tuple(domain.strip(".") for domain in search if domain.strip(".")),
        ndots=ndots,
        timeout_seconds=timeout_seconds,
        use_tcp=use_tcp,
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def candidates(host: str, config: ResolverConfig) -> list[str]:
    """Return the absolute names to query, in order, by the rules of `search` and `ndots`."""
    if host.endswith("."):
        return [host]
    as_given = f"{host}."
    searched = [f"{host}.{domain}." for domain in config.search]
    return [as_given, *searched] if host.count(".") >= config.ndots else [*searched, as_given]
