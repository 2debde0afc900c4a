"""Linux: DNAT rules for this machine's own packets, or the addresses on its loopback interface.

`dnat` affects only connections from this machine to TCP port 80 of the addresses, not those of containers and other
machines. For each IP version it consists of settings with their own names or numbers:

* an nf_tables table `imds_host` with a rule in OUTPUT for each address; IPv4 does not need `route_localnet`, because a
  packet that OUTPUT sends to 127.0.0.1 has not arrived from outside;
* for each address a route in table 16925 and a routing rule that selects it: on a machine without a default route, the
  kernel would otherwise reject the packet as "Network is unreachable" before it reaches OUTPUT. `iif lo` matches
  packets that this machine sends.

`alias` adds each address to `lo` with a label. It can be reached by everything that routes through this machine and by
machines on the same network, because Linux answers ARP for all its addresses. `scope host` prevents its use as a source
address. IPv6 addresses have no label (and, with iproute2 before 6.2, no protocol number), so IPv6 requires `dnat`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.host.errors import OptionsError
from imds_mock.host.setting import ADDRESSES, EC2, HTTP, IPV6, LOOPBACK, UNKNOWN_PORT, Method, Redirect, Setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imds_mock.host.setting import Shell

TABLE: Final = "imds_host"
TAG: Final = "imds-mock host"
LABEL: Final = "lo:imds"
# Number of the routing table and priority of the rule. The protocol number also marks the routes of the shim.
NUMBER: Final = 16925
PROTOCOL: Final = 169

_FAMILIES: Final = {4: "ip", 6: "ip6"}


class Linux:
    """Redirects with nft and ip."""

    methods: Sequence[Method] = ("dnat", "alias")

    def settings(self, redirect: Redirect) -> list[Setting]:
        """See `Platform`."""
        if redirect.method == "dnat":
            return [
                setting
                for version in redirect.versions
                for setting in (
                    _nat(version, redirect.port, redirect.of_version(version)),
                    *(make(version, each) for each in redirect.of_version(version) for make in (_route, _rule)),
                )
            ]
        if redirect.ipv6:
            raise OptionsError("--ipv6 requires --way dnat: `down` cannot identify an IPv6 address on lo")
        if redirect.port != HTTP:
            raise OptionsError("--way alias does not change the port: omit --port and start the mock on port 80")
        return [_alias(endpoint) for endpoint in redirect.endpoints]

    def installed(self, shell: Shell) -> list[Setting]:
        """See `Platform`; read from the kernel."""
        found: list[Setting] = []
        for version in _FAMILIES:
            rules, routes = _installed_rules(shell, version), _installed_routes(shell, version)
            nat = _installed_nat(shell, version, hidden=rules)
            found += [] if nat is None else [nat]
            for endpoint in ADDRESSES:
                found += [_route(version, endpoint)] if endpoint in routes else []
                found += [_rule(version, endpoint)] if endpoint in rules else []
        return found + [_alias(endpoint) for endpoint in _installed_aliases(shell)]


def _nat(version: int, port: int, endpoints: tuple[str, ...]) -> Setting:
    family, table = _FAMILIES[version], f"{_FAMILIES[version]} {TABLE}"
    loopback = f"[{LOOPBACK[version]}]" if version == IPV6 else LOOPBACK[version]
    rules = "\n".join(
        f'        {family} daddr {ADDRESSES[each][version]} tcp dport {HTTP} dnat to {loopback}:{port} comment "{TAG}"'
        for each in endpoints
    )
    # One transaction; declaring and deleting the table first removes its previous content.
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
    redirect = Redirect("dnat", port, version == IPV6, endpoints)
    return Setting(f"table {table}", up, f"nft delete table {table}", redirect)


def _route(version: int, endpoint: str) -> Setting:
    # The source is the loopback address, so that the mock sees a local caller.
    address = ADDRESSES[endpoint][version]
    route = f"local {address} dev lo src {LOOPBACK[version]} table {NUMBER} proto {PROTOCOL}"
    return _ip("route", version, endpoint, route)


def _rule(version: int, endpoint: str) -> Setting:
    match = f"iif lo to {ADDRESSES[endpoint][version]} ipproto tcp dport {HTTP}"
    return _ip("rule", version, endpoint, f"pref {NUMBER} {match} lookup {NUMBER} protocol {PROTOCOL}")


def _ip(kind: str, version: int, endpoint: str, arguments: str) -> Setting:
    command = f"ip -{version} {kind}"
    return Setting(
        f"{command} {endpoint}",
        f"{command} add {arguments}",
        f"{command} del {arguments}",
        Redirect("dnat", UNKNOWN_PORT, version == IPV6, (endpoint,)),
    )


def _alias(endpoint: str) -> Setting:
    address, label = ADDRESSES[endpoint][4], _label(endpoint)
    return Setting(
        f"address {endpoint}",
        f"ip address add {address}/32 dev lo scope host label {label}",
        f"ip address del {address}/32 dev lo label {label}",
        Redirect("alias", HTTP, ipv6=False, endpoints=(endpoint,)),
    )


def _label(endpoint: str) -> str:
    return LABEL if (endpoint,) == EC2 else f"{LABEL}-{endpoint}"


def _installed_nat(shell: Shell, version: int, *, hidden: tuple[str, ...]) -> Setting | None:
    output, errors = shell.read(f"nft -j list table {_FAMILIES[version]} {TABLE}")
    if "not permitted" in errors:
        # Only root may list the table; assume that it exists if the routing rules do.
        return _nat(version, UNKNOWN_PORT, hidden) if hidden else None
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
    # A table with this name and other content is also replaced or removed.
    port = ports.pop() if len(ports) == 1 else UNKNOWN_PORT
    return _nat(version, port, _endpoints_of(matched, version) or EC2)


def _installed_rules(shell: Shell, version: int) -> tuple[str, ...]:
    rules = _list(shell, f"ip -j -{version} rule show")
    own = [each for each in rules if each.get("priority") == NUMBER and str(each.get("protocol")) == str(PROTOCOL)]
    return _endpoints_of(own, version)


def _installed_routes(shell: Shell, version: int) -> tuple[str, ...]:
    return _endpoints_of(_list(shell, f"ip -j -{version} route show table {NUMBER} proto {PROTOCOL}"), version)


def _installed_aliases(shell: Shell) -> tuple[str, ...]:
    interfaces = _list(shell, "ip -j -4 address show dev lo")
    labels = {each.get("label") for interface in interfaces for each in interface.get("addr_info", ())}
    return tuple(endpoint for endpoint in ADDRESSES if _label(endpoint) in labels)


def _endpoints_of(entries: Sequence[Mapping[str, Any]], version: int) -> tuple[str, ...]:
    """The endpoints whose addresses are the destinations of routes or rules."""
    found = {str(each.get("dst", "")).partition("/")[0] for each in entries}
    return tuple(endpoint for endpoint in ADDRESSES if ADDRESSES[endpoint].get(version) in found)


def _list(shell: Shell, command: str) -> list[dict[str, Any]]:
    # The output is empty without such a table, or without IPv6.
    listed: list[dict[str, Any]] = json.loads(shell.read(command)[0] or "[]")
    return listed
