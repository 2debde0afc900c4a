"""From the mock's name to its addresses: an IP literal, then the hosts file, then DNS.

The order is that of `hosts: files dns` in nsswitch.conf, which is what container images have. resolv.conf is read anew
for every try, as container engines rewrite it when a network is attached.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from imds_shim.errors import ResolveError
from imds_shim.import_stubs import load
from imds_shim.network.hosts import addresses_in_hosts, candidates, resolver_config
from imds_shim.record import Record
from imds_shim.textfile import read_if_there

if TYPE_CHECKING:
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.network.hosts import ResolverConfig
    from imds_shim.network.nameserver import Reply

_IPV4, _IPV6 = 4, 6
_LONGEST_ALIAS_CHAIN = 8


class Resolver(Record):
    """Where names are looked up; the fields differ from their defaults in tests only."""

    hosts_file: str = "/etc/hosts"
    resolv_conf: str = "/etc/resolv.conf"
    dns_port: int = 53

    def addresses(self, host: str, deadline: Deadline, *, ipv6: bool = False) -> list[IPAddress]:
        """Return the addresses of a host, IPv4 first; IPv6 ones only if asked for, or if there are no others.

        Raises:
            ResolveError: this try found none; the message says what was asked of which server.
        """
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        found = addresses_in_hosts(read_if_there(self.hosts_file), host)
        if not found:
            found = self._ask_dns(host, deadline, ipv6=ipv6)
        return sorted(found, key=lambda address: address.version)

    def _ask_dns(self, host: str, deadline: Deadline, *, ipv6: bool) -> list[IPAddress]:
        config = resolver_config(read_if_there(self.resolv_conf))
        lookup = _Lookup(config, self.dns_port, deadline, list(config.servers))
        reasons: list[str] = []
        for name in candidates(host, config):
            found = lookup.addresses(name, _IPV4, reasons)
            if found is None:
                continue
            if ipv6 or not found:
                found = [*found, *(lookup.addresses(name, _IPV6, reasons) or ())]
            if found:
                return found
            reasons.append(f"{name.rstrip('.')} has no address")
        raise ResolveError(", ".join(dict.fromkeys(reasons)))


class _Lookup(Record):
    """One pass over the name servers of a resolv.conf."""

    config: ResolverConfig
    port: int
    deadline: Deadline
    servers: list[str]

    def addresses(self, name: str, version: int, reasons: list[str]) -> list[IPAddress] | None:
        """Return what an absolute name leads to through its aliases; None, and why, where that cannot be said."""
        for _ in range(_LONGEST_ALIAS_CHAIN):
            reply = self._ask(name, version, reasons)
            if reply is None:
                return None
            if reply.alias is None:
                return list(reply.addresses)
            name = reply.alias
        reasons.append(f"{name.rstrip('.')} is an alias of too many others")
        return None

    def _ask(self, name: str, version: int, reasons: list[str]) -> Reply | None:
        load("dns.message")
        from imds_shim.network.nameserver import NameServer, NoReplyError  # noqa: PLC0415 - an address or hosts file needs no DNS

        shown = name.rstrip(".")
        for position, address in enumerate(tuple(self.servers)):
            # A dead first server must not use up the time in which the second one would have answered.
            fair_share = self.deadline.remaining() / (len(self.servers) - position)
            limit = self.deadline.within(min(self.config.timeout_seconds, fair_share))
            try:
                reply = NameServer(address, self.port).ask(name, version, limit, use_tcp=self.config.use_tcp)
            except NoReplyError as error:
                reasons.append(f"name server {address} {error}")
                continue
            # The next question of this pass goes to the one that is alive first.
            self.servers.remove(address)
            self.servers.insert(0, address)
            if reply.rcode == "NOERROR":
                return reply
            reasons.append(f"name server {address} answers {reply.rcode} for {shown}")
            if reply.rcode == "NXDOMAIN":
                return None
        return None
