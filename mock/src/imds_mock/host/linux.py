"""Linux: DNAT rules for what this machine itself sends, or the addresses on its loopback interface.

`dnat` touches nothing but connections that begin on this machine, to TCP port 80 of the addresses: containers and
neighbours are not affected. The settings for each IP version all have a name or number of this program's own:

* an nf_tables table `imds_host` with a rule in OUTPUT for each address; IPv4 needs no `route_localnet` for it,
  because a packet that OUTPUT sends to 127.0.0.1 has not come in from outside;
* for each address a route in table 16925, and a routing rule that leads there: without them a machine that has no
  default route at the moment says "Network is unreachable" before the packet ever meets OUTPUT. `iif lo` is what this
  machine sends itself.

`alias` is each address on `lo`, known by its label. Whatever routes its packets through this machine reaches it as
well, and so does a neighbour on the same network: Linux answers ARP for every address that it has. `scope host` keeps
it from being chosen as the machine's own address. IPv6 addresses have no label (iproute2 before 6.2 cannot give them
a protocol number either), so IPv6 is for `dnat` only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from .errors import WayError
from .setting import ADDRESSES, DEFAULT_PORT, EC2, HTTP, LOOPBACK, UNKNOWN_PORT, Request, Setting, Way

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .setting import Shell

TABLE: Final = "imds_host"
TAG: Final = "imds-mock host"
LABEL: Final = "lo:imds"
# Routing table and priority of the rule; the protocol number is the one by which the shim's routes are known, too.
NUMBER: Final = 16925
PROTOCOL: Final = 169

_FAMILIES: Final = {4: "ip", 6: "ip6"}


class Linux:
    """nft and ip."""

    ways: Sequence[Way] = ("dnat", "alias")

    def wanted(self, request: Request) -> list[Setting]:
        """As the module says."""
        if request.way == "dnat":
            return [
                made
                for version in request.versions
                for made in (
                    _nat(version, request.port, request.of_version(version)),
                    *(make(version, each) for each in request.of_version(version) for make in (_route, _rule)),
                )
            ]
        if request.ipv6:
            raise WayError("--ipv6 goes with --way dnat: an IPv6 address on lo could not be told from somebody else's")
        if request.port != HTTP:
            raise WayError("with --way alias nothing changes the port: the mock has to listen at 80, leave --port out")
        return [_alias(endpoint) for endpoint in request.endpoints]

    def present(self, shell: Shell) -> list[Setting]:
        """Read it from the kernel."""
        found: list[Setting] = []
        for version in _FAMILIES:
            rules, routes = _rules_that_are_there(shell, version), _routes_that_are_there(shell, version)
            nat = _nat_that_is_there(shell, version, unseen=rules)
            found += [] if nat is None else [nat]
            for endpoint in ADDRESSES:
                found += [_route(version, endpoint)] if endpoint in routes else []
                found += [_rule(version, endpoint)] if endpoint in rules else []
        return found + [_alias(endpoint) for endpoint in _aliases_that_are_there(shell)]

    def serve(self, request: Request) -> str:
        """The mock needs no privilege unless it has to listen at port 80."""
        if request.way == "alias":
            hosts = "".join(f" --host {address}" for _, address in request.addresses)
            return f"sudo imds-mock serve{hosts} --port {HTTP}"
        hosts = "".join(f" --host {LOOPBACK[version]}" for version in request.versions)
        port = "" if request.port in {DEFAULT_PORT, UNKNOWN_PORT} else f" --port {request.port}"
        return f"imds-mock serve{hosts}{port}"


def _nat(version: int, port: int, endpoints: tuple[str, ...]) -> Setting:
    family, table = _FAMILIES[version], f"{_FAMILIES[version]} {TABLE}"
    loopback = LOOPBACK[4] if version == 4 else f"[{LOOPBACK[6]}]"  # noqa: PLR2004 - IP version
    rules = "\n".join(
        f'        {family} daddr {ADDRESSES[each][version]} tcp dport {HTTP} dnat to {loopback}:{port} comment "{TAG}"'
        for each in endpoints
    )
    # Declared and deleted first, in the same transaction, so that it replaces whatever the table held.
    up = f"""nft -f - <<'EOF'
table {table}
delete table {table}
table {table} {{
    chain output {{
        type nat hook output priority -101; policy accept;
{rules}
    }}
}}
EOF"""
    request = Request("dnat", port, version != 4, endpoints)  # noqa: PLR2004 - IP version
    return Setting(f"table {table}", up, f"nft delete table {table}", request)


def _route(version: int, endpoint: str) -> Setting:
    # The source is the loopback address, so that the mock sees a caller on this machine and not this address.
    address = ADDRESSES[endpoint][version]
    words = f"local {address} dev lo src {LOOPBACK[version]} table {NUMBER} proto {PROTOCOL}"
    return _ip("route", version, endpoint, words)


def _rule(version: int, endpoint: str) -> Setting:
    match = f"iif lo to {ADDRESSES[endpoint][version]} ipproto tcp dport {HTTP}"
    return _ip("rule", version, endpoint, f"pref {NUMBER} {match} lookup {NUMBER} protocol {PROTOCOL}")


def _ip(kind: str, version: int, endpoint: str, words: str) -> Setting:
    command = f"ip -{version} {kind}"
    return Setting(
        f"{command} {endpoint}",
        f"{command} add {words}",
        f"{command} del {words}",
        Request("dnat", UNKNOWN_PORT, version != 4, (endpoint,)),  # noqa: PLR2004 - IP version
    )


def _alias(endpoint: str) -> Setting:
    address, label = ADDRESSES[endpoint][4], _label(endpoint)
    return Setting(
        f"address {endpoint}",
        f"ip address add {address}/32 dev lo scope host label {label}",
        f"ip address del {address}/32 dev lo label {label}",
        Request("alias", HTTP, ipv6=False, endpoints=(endpoint,)),
    )


def _label(endpoint: str) -> str:
    return LABEL if (endpoint,) == EC2 else f"{LABEL}-{endpoint}"


def _nat_that_is_there(shell: Shell, version: int, *, unseen: tuple[str, ...]) -> Setting | None:
    output, errors = shell.read(f"nft -j list table {_FAMILIES[version]} {TABLE}")
    if "not permitted" in errors:
        # Only root may look; it was set together with the routing rules.
        return _nat(version, UNKNOWN_PORT, unseen) if unseen else None
    if not output.strip():
        return None
    parts = [
        part
        for item in json.loads(output)["nftables"]
        if item.get("rule", {}).get("comment") == TAG
        for part in item["rule"]["expr"]
    ]
    ports = {part["dnat"]["port"] for part in parts if "dnat" in part}
    matched = [{"dst": part["match"]["right"]} for part in parts if "match" in part]
    # A table of this name with anything else in it is this program's all the same, and gets replaced or goes.
    port = ports.pop() if len(ports) == 1 else UNKNOWN_PORT
    return _nat(version, port, _endpoints_of(matched, version) or EC2)


def _rules_that_are_there(shell: Shell, version: int) -> tuple[str, ...]:
    rules = _listed(shell, f"ip -j -{version} rule show")
    own = [each for each in rules if each.get("priority") == NUMBER and str(each.get("protocol")) == str(PROTOCOL)]
    return _endpoints_of(own, version)


def _routes_that_are_there(shell: Shell, version: int) -> tuple[str, ...]:
    return _endpoints_of(_listed(shell, f"ip -j -{version} route show table {NUMBER} proto {PROTOCOL}"), version)


def _aliases_that_are_there(shell: Shell) -> tuple[str, ...]:
    interfaces = _listed(shell, "ip -j -4 address show dev lo")
    labels = {each.get("label") for interface in interfaces for each in interface.get("addr_info", ())}
    return tuple(endpoint for endpoint in ADDRESSES if _label(endpoint) in labels)


def _endpoints_of(entries: Sequence[Mapping[str, Any]], version: int) -> tuple[str, ...]:
    """The endpoints whose addresses are the destinations of routes or rules."""
    found = {str(each.get("dst", "")).partition("/")[0] for each in entries}
    return tuple(endpoint for endpoint in ADDRESSES if ADDRESSES[endpoint].get(version) in found)


def _listed(shell: Shell, command: str) -> list[dict[str, Any]]:
    # Nothing at all is printed where there is no such table, or no IPv6.
    listed: list[dict[str, Any]] = json.loads(shell.read(command)[0] or "[]")
    return listed
