"""Which variants of the configuration apply to a caller: by service, name pattern, address or network."""

from __future__ import annotations

from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from imds_mock.callers.caller import normalize_address

if TYPE_CHECKING:
    from imds_mock.callers.caller import Caller
    from imds_mock.config.callers import Match
    from imds_mock.config.settings import Config


def matching_variants(config: Config, caller: Caller) -> tuple[int, ...]:
    """The indexes of the matching variants, in the order in which they apply."""
    return tuple(index for index, each in enumerate(config.variants) if _matches(each.match, caller))


def needs_names(config: Config) -> bool:
    """Whether a caller's configuration depends on its name."""
    return config.identity == "per-container" or any(
        each.match.service is not None or each.match.name is not None or _is_name(each.match.network)
        for each in config.variants
    )


def variant_services(config: Config) -> frozenset[str]:
    """The services that variants match."""
    return frozenset(each.match.service for each in config.variants if each.match.service is not None)


def _matches(match: Match, caller: Caller) -> bool:
    return (
        # Not an announced name: a container must not choose the variant that applies to it.
        (match.service is None or match.service in {caller.container, caller.service, *caller.aliases})
        and (match.name is None or (caller.container is not None and fnmatchcase(caller.container, match.name)))
        and (match.address is None or normalize_address(match.address) in caller.addresses)
        and (match.network is None or _is_on(match.network, caller))
    )


def _is_on(network: str, caller: Caller) -> bool:
    if _is_name(network):
        # Compose prefixes a network's name with the project.
        return any(each == network or each.endswith(f"_{network}") for each in caller.networks)
    block = ip_network(network)
    return any(ip_address(address) in block for address in caller.addresses)


def _is_name(network: str | None) -> bool:
    return network is not None and "/" not in network
