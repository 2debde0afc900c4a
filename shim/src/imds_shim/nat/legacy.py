"""The legacy nat tables (`iptables-legacy`), through python-iptables.

One rule of ours is

    -A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -m comment --comment imds-shim
       -j DNAT --to-destination IP:PORT

It goes in front of OUTPUT: it names one address and one port, so it takes nothing from the rules behind it, while a
catch-all in front of it would take everything from it. Rules are read as the bytes the kernel returned and not as
`iptc.Rule`, because that opens (and so creates) every other table of the namespace to find out whether a target is a
chain, and raises on a foreign rule whose extension is not installed.
"""

from __future__ import annotations

import ctypes
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from imds_shim import capabilities
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.exec.signals import held
from imds_shim.nat import xtables_entry, xtables_library
from imds_shim.nat.rule import DnatRule
from imds_shim.textfile import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = "legacy"
TAG = b"imds-shim"
CHAIN = "OUTPUT"
TRIAL_CHAIN = "imds-shim-trial"
TRIAL_RULE = DnatRule(IPv4Address("192.0.2.1"), 80, IPv4Address("192.0.2.2"), 80)  # documentation addresses, RFC 5737
NEEDED_CAPABILITIES = ("NET_ADMIN", "NET_RAW")

# libiptc writes a whole table back and the kernel answers EAGAIN when it has changed since it was read.
TRIES_WHILE_OTHERS_WRITE = 5
CHANGED_MEANWHILE = "Resource temporarily unavailable"
UNKNOWN_REVISION = "No chain/target/match by that name"

TABLE_NAMES = {4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names"}


class LegacyTable:
    """`rule.NatTable` over the legacy nat tables of both address families."""

    name = NAME

    def __init__(self) -> None:
        self._families = {4: _Family(4), 6: _Family(6)}

    def try_out(self) -> None:
        """Let the kernel take the kind of rule that we write, where no packet comes by, and take it away again.

        Raises:
            PrivilegeError: a capability is missing.
            KernelRefusedError: the kernel has no legacy tables or not all that the rule needs, or the libraries are
                not installed.
        """
        self._families[4].try_out()

    def ours(self) -> Sequence[DnatRule]:
        """Our rules of both families. A table that nobody has used yet is not looked at: that would create it."""
        return [rule for family in self._families.values() if family.in_use() for rule in family.ours()]

    def remove_trial(self) -> None:
        """Remove the trial that a shim has left which was killed in between."""
        if self._families[4].in_use():
            self._families[4].remove_trial()

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        """One commit per address family: each has a table of its own and the kernel no transaction over both."""
        for version, family in self._families.items():
            removed = [rule for rule in remove if rule.destination.version == version]
            added = [rule for rule in add if rule.destination.version == version]
            if removed or added:
                family.replace(removed, added)


class _Family:
    """The nat table of one address family."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._table: Any = None

    def in_use(self) -> bool:
        try:
            return "nat" in read(TABLE_NAMES[self._version]).split()
        except FileNotFoundError:
            return False
        except OSError:
            return True  # cannot be told without opening it

    def open(self) -> None:
        """Read the table from the kernel as it is now."""
        iptc = xtables_library.load()
        try:
            if self._table is None:
                self._table = xtables_library.table(self._version)("nat", autocommit=False)
            # A second handle of this process may hold the one cached by python-iptables: read again in any case.
            self._table.refresh()
        except iptc.IPTCError as error:
            self._table = None
            raise _explained(error, self._version) from error

    def ours(self) -> list[DnatRule]:
        self.open()
        return [rule for rule, _ in self._entries()]

    def try_out(self) -> None:
        self.open()
        if not self._entries():
            with held():  # the trial would stay if a signal came in between
                self._write(self._add_trial)
                self._write(self._remove_trial)

    def remove_trial(self) -> None:
        """Remove the trial that a shim has left which was killed in between."""
        self.open()
        if self._table.is_chain(TRIAL_CHAIN):
            self._write(self._remove_trial)

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        def change(revision: int) -> None:
            for rule in remove:
                entry = next((entry for found, entry in self._entries() if found == rule), None)
                if entry is not None:
                    self._table.delete_entry(CHAIN, _buffer(entry), _buffer(b"\xff" * len(entry)))
            for rule in reversed(add):
                self._table.insert_entry(CHAIN, _buffer(xtables_entry.build(rule, TAG, revision)), 0)

        self._write(change)

    def _write(self, change: Callable[[int], None]) -> None:
        """Read the table, change it, and let the kernel take it whole; `change` is told the revision of DNAT to use."""
        iptc = xtables_library.load()
        revisions = list(xtables_entry.DNAT_REVISIONS)
        tries = TRIES_WHILE_OTHERS_WRITE
        while True:
            self.open()
            try:
                change(revisions[0])
                self._keep_policy_counters()
                self._table.commit()
            except iptc.IPTCError as error:
                if UNKNOWN_REVISION in str(error) and len(revisions) > 1:
                    revisions.pop(0)
                elif CHANGED_MEANWHILE in str(error) and tries > 1:
                    tries -= 1
                else:
                    raise _explained(error, self._version) from error
            else:
                return

    def _keep_policy_counters(self) -> None:
        """Write back what the chains' policies have counted, which libiptc otherwise sets to nought at each commit."""
        for chain in self._table.chains:
            policy, counters = self._table.get_policy(chain)
            if policy is not None:
                self._table.set_policy(chain, policy, counters)

    def _add_trial(self, revision: int) -> None:
        # One left by a shim that was killed in between is used again.
        if not self._table.is_chain(TRIAL_CHAIN):
            self._table.create_chain(TRIAL_CHAIN)
        self._table.insert_entry(TRIAL_CHAIN, _buffer(xtables_entry.build(TRIAL_RULE, TAG, revision)), 0)

    def _remove_trial(self, _: int) -> None:
        self._table.flush_entries(TRIAL_CHAIN)
        self._table.delete_chain(TRIAL_CHAIN)

    def _entries(self) -> list[tuple[DnatRule, bytes]]:
        """Our rules in OUTPUT with their bytes, as the handle holds them (uncommitted changes included)."""
        found = []
        entry = self._table.first_rule(CHAIN)
        while entry:
            raw = ctypes.string_at(ctypes.addressof(entry), entry.next_offset)
            rule = xtables_entry.parse(raw, self._version, TAG)
            if rule is not None:
                found.append((rule, raw))
            entry = self._table.next_rule(entry)
        return found


def _buffer(data: bytes) -> ctypes.Array[ctypes.c_ubyte]:
    return (ctypes.c_ubyte * len(data)).from_buffer_copy(data)


def _explained(error: Exception, version: int) -> ShimError:
    sets = capabilities.read_sets()
    missing = sets.missing(*NEEDED_CAPABILITIES)
    said = str(error)
    if missing:
        listed = " and ".join(missing)
        return PrivilegeError(
            f"the legacy nat table needs {listed}, which this container lacks",
            capabilities.how_to_get(missing, sets),
            missing,
        )
    if "must be root" in said:
        return PrivilegeError(
            "the legacy nat table is refused although NET_ADMIN and NET_RAW are there: this network namespace belongs "
            "to another user namespace (network_mode: host in a rootless engine, say)"
        )
    if "who?" in said or "does not exist" in said:
        return KernelRefusedError(f"this kernel has no legacy nat table for IPv{version} ({said}).")
    return KernelRefusedError(f"the legacy nat table for IPv{version} could not be changed: {said}.")
