"""Resolves the mock's name: an IP address, then the hosts file, then DNS.

This is the order of `hosts: files dns` in nsswitch.conf, the default of container images. Both files are read again for
every attempt, because container engines rewrite them when a network is attached.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from imds_shim.endpoints import IPV4, IPV6
from imds_shim.errors import ResolveError
from imds_shim.frozen_record import FrozenRecord
from imds_shim.import_stubs import load
from imds_shim.network.hosts import addresses_in_hosts, candidates, resolver_config
from imds_shim.system import read_text_or_empty

if TYPE_CHECKING:
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.network.hosts import ResolverConfig
    from imds_shim.network.nameserver import Reply

_LONGEST_ALIAS_CHAIN = 8


class Resolver(FrozenRecord):
    """Resolves names by these files; only tests change the fields."""

    hosts_file: str = "/etc/hosts"
    resolv_conf: str = "/etc/resolv.conf"
    dns_port: int = 53

    def addresses(self, host: str, deadline: Deadline, *, ipv6: bool = False) -> list[IPAddress]:
        """Return the addresses of a host, IPv4 first. DNS is queried for IPv6 only if wanted or if there is no IPv4.

        Raises:
            ResolveError: this attempt found no address; the message names each server and its reply.
        """
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        found = addresses_in_hosts(read_text_or_empty(self.hosts_file), host)
        if not found:
            found = self._query_dns(host, deadline, ipv6=ipv6)
        return sorted(found, key=lambda address: address.version)

    def _query_dns(self, host: str, deadline: Deadline, *, ipv6: bool) -> list[IPAddress]:
        config = resolver_config(read_text_or_empty(self.resolv_conf))
        lookup = _Lookup(config, self.dns_port, deadline, list(config.servers))
        reasons: list[str] = []
        for name in candidates(host, config):
            found = lookup.addresses(name, IPV4, reasons)
            if found is None:
                continue
            if ipv6 or not found:
                found = [*found, *(lookup.addresses(name, IPV6, reasons) or ())]
            if found:
                return found
            reasons.append(f"{name.rstrip('.')} has no address")
        raise ResolveError(", ".join(dict.fromkeys(reasons)))


class _Lookup(FrozenRecord):
    """One attempt with the name servers of a resolv.conf."""

    config: ResolverConfig
    port: int
    deadline: Deadline
    servers: list[str]

    def addresses(self, name: str, version: int, reasons: list[str]) -> list[IPAddress] | None:
        """Return the addresses of an absolute name and its aliases; on failure None, with the reason in `reasons`."""
        for _ in range(_LONGEST_ALIAS_CHAIN):
            reply = self._query(name, version, reasons)
            if reply is None:
                return None
            if reply.alias is None:
                return list(reply.addresses)
            name = reply.alias
        reasons.append(f"{name.rstrip('.')} has too long a chain of aliases")
        return None

    def _query(self, name: str, version: int, reasons: list[str]) -> Reply | None:
        load("dns.message")
        from imds_shim.network.nameserver import NameServer, NoReplyError

        shown = name.rstrip(".")
        for position, address in enumerate(tuple(self.servers)):
            # A server that is down must not use up the time of the next one.
            fair_share = self.deadline.remaining() / (len(self.servers) - position)
            limit = self.deadline.within(min(self.config.timeout_seconds, fair_share))
            try:
                reply = NameServer(address, self.port).query(name, version, limit, use_tcp=self.config.use_tcp)
            except NoReplyError as error:
                reasons.append(f"name server {address} {error}")
                continue
            # The next query of this attempt goes to this server first.
            self.servers.remove(address)
            self.servers.insert(0, address)
            if reply.rcode == "NOERROR":
                return reply
            reasons.append(f"name server {address} replies {reply.rcode} for {shown}")
            if reply.rcode == "NXDOMAIN":
                return None
        return None
