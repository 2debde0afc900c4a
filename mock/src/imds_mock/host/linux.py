"""Linux: a DNAT rule for what this machine itself sends, or the address on its loopback interface.

`dnat` touches nothing but connections that begin on this machine, to TCP port 80 of the address: containers and
neighbours are not affected. Three settings for each IP version, all of a name or number of this program's own:

* an nf_tables table `imds_host` with one rule in OUTPUT; IPv4 needs no `route_localnet` for it, because a packet that
  OUTPUT sends to 127.0.0.1 has not come in from outside;
* a route in table 16925, and a routing rule that leads there: without them a machine that has no default route at the
  moment says "Network is unreachable" before the packet ever meets OUTPUT. `iif lo` is what this machine sends itself.

`alias` is one address on `lo`, known by its label. Whatever routes its packets through this machine reaches it as well,
and so does a neighbour on the same network: Linux answers ARP for every address that it has. `scope host` keeps it from
being chosen as the machine's own address. IPv6 addresses have no label (iproute2 before 6.2 cannot give them a protocol
number either), so IPv6 is for `dnat` only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from .errors import WayError
from .setting import DEFAULT_PORT, ENDPOINTS, HTTP, LOOPBACK, UNKNOWN_PORT, Request, Setting, Way

if TYPE_CHECKING:
    from collections.abc import Sequence

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
                for made in (_nat(version, request.port), _route(version), _rule(version))
            ]
        if request.ipv6:
            raise WayError("--ipv6 goes with --way dnat: an IPv6 address on lo could not be told from somebody else's")
        if request.port != HTTP:
            raise WayError("with --way alias nothing changes the port: the mock has to listen at 80, leave --port out")
        return [_ALIAS]

    def present(self, shell: Shell) -> list[Setting]:
        """Read it from the kernel."""
        found = []
        for version in _FAMILIES:
            rule = _rule_is_there(shell, version)
            nat = _nat_that_is_there(shell, version, also_unseen=rule)
            found += [] if nat is None else [nat]
            found += [_route(version)] if _route_is_there(shell, version) else []
            found += [_rule(version)] if rule else []
        return found + ([_ALIAS] if _alias_is_there(shell) else [])

    def serve(self, request: Request) -> str:
        """The mock needs no privilege unless it has to listen at port 80."""
        if request.way == "alias":
            return f"sudo imds-mock serve --host {ENDPOINTS[4]} --port {HTTP}"
        hosts = "".join(f" --host {LOOPBACK[version]}" for version in request.versions)
        port = "" if request.port in {DEFAULT_PORT, UNKNOWN_PORT} else f" --port {request.port}"
        return f"imds-mock serve{hosts}{port}"


def _nat(version: int, port: int) -> Setting:
    table = f"{_FAMILIES[version]} {TABLE}"
    loopback = LOOPBACK[4] if version == 4 else f"[{LOOPBACK[6]}]"  # noqa: PLR2004 - IP version
    # Declared and deleted first, in the same transaction, so that it replaces whatever the table held.
    up = f"""nft -f - <<'EOF'
table {table}
delete table {table}
table {table} {{
    chain output {{
        type nat hook output priority -101; policy accept;
        {_FAMILIES[version]} daddr {ENDPOINTS[version]} tcp dport {HTTP} dnat to {loopback}:{port} comment "{TAG}"
    }}
}}
EOF"""
    return Setting(f"table {table}", up, f"nft delete table {table}", Request("dnat", port, version != 4))  # noqa: PLR2004


def _route(version: int) -> Setting:
    # The source is the loopback address, so that the mock sees a caller on this machine and not this address.
    words = f"local {ENDPOINTS[version]} dev lo src {LOOPBACK[version]} table {NUMBER} proto {PROTOCOL}"
    return _ip("route", version, words)


def _rule(version: int) -> Setting:
    match = f"iif lo to {ENDPOINTS[version]} ipproto tcp dport {HTTP}"
    return _ip("rule", version, f"pref {NUMBER} {match} lookup {NUMBER} protocol {PROTOCOL}")


def _ip(kind: str, version: int, words: str) -> Setting:
    command = f"ip -{version} {kind}"
    return Setting(
        command,
        f"{command} add {words}",
        f"{command} del {words}",
        Request("dnat", UNKNOWN_PORT, version != 4),  # noqa: PLR2004
    )


_ALIAS: Final = Setting(
    "address",
    f"ip address add {ENDPOINTS[4]}/32 dev lo scope host label {LABEL}",
    f"ip address del {ENDPOINTS[4]}/32 dev lo label {LABEL}",
    Request("alias", HTTP, ipv6=False),
)


def _nat_that_is_there(shell: Shell, version: int, *, also_unseen: bool) -> Setting | None:
    output, errors = shell.read(f"nft -j list table {_FAMILIES[version]} {TABLE}")
    if "not permitted" in errors:
        # Only root may look; it was set together with the routing rule.
        return _nat(version, UNKNOWN_PORT) if also_unseen else None
    if not output.strip():
        return None
    ports = [
        part["dnat"]["port"]
        for item in json.loads(output)["nftables"]
        if item.get("rule", {}).get("comment") == TAG
        for part in item["rule"]["expr"]
        if "dnat" in part
    ]
    # A table of this name with anything else in it is this program's all the same, and gets replaced or goes.
    return _nat(version, ports[0] if len(ports) == 1 else UNKNOWN_PORT)


def _rule_is_there(shell: Shell, version: int) -> bool:
    rules = _listed(shell, f"ip -j -{version} rule show")
    return any(rule.get("priority") == NUMBER and str(rule.get("protocol")) == str(PROTOCOL) for rule in rules)


def _route_is_there(shell: Shell, version: int) -> bool:
    return bool(_listed(shell, f"ip -j -{version} route show table {NUMBER} proto {PROTOCOL}"))


def _alias_is_there(shell: Shell) -> bool:
    interfaces = _listed(shell, "ip -j -4 address show dev lo")
    return any(each.get("label") == LABEL for interface in interfaces for each in interface.get("addr_info", ()))


def _listed(shell: Shell, command: str) -> list[dict[str, Any]]:
    # Nothing at all is printed where there is no such table, or no IPv6.
    listed: list[dict[str, Any]] = json.loads(shell.read(command)[0] or "[]")
    return listed
