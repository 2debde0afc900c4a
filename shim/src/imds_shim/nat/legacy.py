"""The legacy nat tables (`iptables-legacy`), through python-iptables.

The shim's rule is

    -A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -m comment --comment imds-shim
       -j DNAT --to-destination IP:PORT

It is the first rule in OUTPUT. It matches one address and one port, so later rules still match all other traffic; after
a catch-all rule it would never match. Rules are read as the kernel's bytes, not as `iptc.Rule`: that class opens,
and so creates, every other table of the namespace to find out whether a target is a chain, and fails on a rule of
another program whose extension is not installed.
"""

from __future__ import annotations

import ctypes
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from imds_shim import capabilities
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.exec.signals import signals_blocked
from imds_shim.nat import xtables_entry, xtables_library
from imds_shim.nat.rule import DnatRule
from imds_shim.system import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = "legacy"
TAG = b"imds-shim"
CHAIN = "OUTPUT"
TRIAL_CHAIN = "imds-shim-trial"
TRIAL_RULE = DnatRule(IPv4Address("192.0.2.1"), 80, IPv4Address("192.0.2.2"), 80)  # documentation addresses, RFC 5737
NEEDED_CAPABILITIES = ("NET_ADMIN", "NET_RAW")

# libiptc writes a whole table; the kernel refuses with EAGAIN if the table has changed since it was read.
COMMIT_ATTEMPTS = 5
CHANGED_SINCE_READ = "Resource temporarily unavailable"
UNKNOWN_REVISION = "No chain/target/match by that name"

TABLE_NAMES = {4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names"}


class LegacyTable:
    """`backend.NatBackend` over the legacy nat tables of both IP versions."""

    name = NAME

    def __init__(self) -> None:
        self._families = {4: _FamilyTable(4), 6: _FamilyTable(6)}

    def check_usable(self) -> None:
        """Add a trial rule to a chain that no packet reaches, and remove it.

        Raises:
            PrivilegeError: a capability is missing.
            KernelRefusedError: the kernel lacks the legacy tables or a match or target, or a library is missing.
        """
        self._families[4].check_usable()

    def own_rules(self) -> Sequence[DnatRule]:
        """Return the shim's rules of both IP versions; an unused table is not opened, which would create it."""
        return [rule for family in self._families.values() if family.in_use() for rule in family.own_rules()]

    def remove_trial(self) -> None:
        """Remove what `check_usable` left behind when the shim was killed."""
        if self._families[4].in_use():
            self._families[4].remove_trial()

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        """Replace rules with one commit per IP version; the kernel has no transaction over both tables."""
        for version, family in self._families.items():
            removed = [rule for rule in remove if rule.destination.version == version]
            added = [rule for rule in add if rule.destination.version == version]
            if removed or added:
                family.replace(removed, added)


class _FamilyTable:
    """The nat table of one IP version."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._table: Any = None

    def in_use(self) -> bool:
        try:
            return "nat" in read_text(TABLE_NAMES[self._version]).split()
        except FileNotFoundError:
            return False
        except OSError:
            return True  # unknown without opening the table

    def open(self) -> None:
        """Read the table from the kernel."""
        iptc = xtables_library.load()
        table = xtables_library.table(self._version)
        try:
            # python-iptables frees a handle, then forgets it: an interrupt in between would have it freed again.
            with signals_blocked():
                if self._table is None:
                    self._table = table("nat", autocommit=False)
                # python-iptables may return a cached table, so read it again in any case.
                self._table.refresh()
        except iptc.IPTCError as error:
            self._table = None
            raise _to_error(error, self._version) from error

    def own_rules(self) -> list[DnatRule]:
        self.open()
        return [rule for rule, _ in self._entries()]

    def check_usable(self) -> None:
        self.open()
        if not self._entries():
            with signals_blocked():  # otherwise a signal in between would leave the trial behind
                self._commit(self._add_trial)
                self._commit(self._remove_trial)

    def remove_trial(self) -> None:
        self.open()
        if self._table.is_chain(TRIAL_CHAIN):
            self._commit(self._remove_trial)

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        def change(revision: int) -> None:
            for rule in remove:
                entry = next((entry for found, entry in self._entries() if found == rule), None)
                if entry is not None:
                    self._table.delete_entry(CHAIN, _buffer(entry), _buffer(b"\xff" * len(entry)))
            for rule in reversed(add):
                self._table.insert_entry(CHAIN, _buffer(xtables_entry.build(rule, TAG, revision)), 0)

        self._commit(change)

    def _commit(self, change: Callable[[int], None]) -> None:
        """Read the table, change it and commit it; `change` takes the revision of the DNAT target to use."""
        iptc = xtables_library.load()
        revisions = list(xtables_entry.DNAT_REVISIONS)
        tries = COMMIT_ATTEMPTS
        while True:
            self.open()
            try:
                change(revisions[0])
                self._preserve_policy_counters()
                self._table.commit()
            except iptc.IPTCError as error:
                if UNKNOWN_REVISION in str(error) and len(revisions) > 1:
                    revisions.pop(0)
                elif CHANGED_SINCE_READ in str(error) and tries > 1:
                    tries -= 1
                else:
                    raise _to_error(error, self._version) from error
            else:
                return

    def _preserve_policy_counters(self) -> None:
        """Write back the counters of the chains' policies, which libiptc otherwise resets at each commit."""
        for chain in self._table.chains:
            policy, counters = self._table.get_policy(chain)
            if policy is not None:
                self._table.set_policy(chain, policy, counters)

    def _add_trial(self, revision: int) -> None:
        # The chain exists already if a shim was killed during a trial.
        if not self._table.is_chain(TRIAL_CHAIN):
            self._table.create_chain(TRIAL_CHAIN)
        self._table.insert_entry(TRIAL_CHAIN, _buffer(xtables_entry.build(TRIAL_RULE, TAG, revision)), 0)

    def _remove_trial(self, _: int) -> None:
        self._table.flush_entries(TRIAL_CHAIN)
        self._table.delete_chain(TRIAL_CHAIN)

    def _entries(self) -> list[tuple[DnatRule, bytes]]:
        """Return the shim's rules in OUTPUT with their bytes, including uncommitted changes."""
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


def _to_error(error: Exception, version: int) -> ShimError:
    sets = capabilities.read_sets()
    missing = sets.missing(*NEEDED_CAPABILITIES)
    reason = str(error)
    if missing:
        return capabilities.missing_error(missing, "for the legacy nat table", sets)
    if "must be root" in reason:
        from imds_shim.surroundings import here

        return PrivilegeError(
            "the kernel refuses access to the legacy nat table despite NET_ADMIN and NET_RAW: this network namespace "
            f"belongs to another user namespace {here().foreign_namespace}"
        )
    if "who?" in reason or "does not exist" in reason:
        return KernelRefusedError(f"this kernel has no legacy nat table for IPv{version} ({reason}).")
    return KernelRefusedError(f"the kernel refused to change the legacy nat table for IPv{version}: {reason}.")
