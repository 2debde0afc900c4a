"""The DNAT rule and the operations on it: ensure, remove, save and restore.

A rule is plain data and the kernel is behind `NatTable`, so every case (no rule, the same rule, another address, the
other back end, duplicates) is decided and tested here without a kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imds_shim.endpoints import format_address
from imds_shim.errors import KernelRefusedError
from imds_shim.frozen_record import FrozenRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_shim.endpoints import IPAddress

LARGEST_PORT = 65535


class DnatRule(FrozenRecord):
    """Redirects TCP connections to `destination:destination_port` to `to_address:to_port`.

    Raises:
        ValueError: the addresses have different IP versions, between which NAT cannot translate, or a port is invalid.
    """

    destination: IPAddress
    destination_port: int
    to_address: IPAddress
    to_port: int

    def __post_init__(self) -> None:
        """Reject a rule that the kernel cannot hold."""
        if self.destination.version != self.to_address.version:
            raise ValueError(f"{self.destination} cannot be redirected to {self.to_address}: NAT keeps the IP version")
        for port in (self.destination_port, self.to_port):
            if not 1 <= port <= LARGEST_PORT:
                raise ValueError(f"{port} is not a TCP port")

    def __str__(self) -> str:
        source = format_address(self.destination, self.destination_port)
        return f"{source} -> {format_address(self.to_address, self.to_port)}"

    def with_target(self, address: IPAddress) -> DnatRule:
        """Return this rule with another address of the mock."""
        return DnatRule(self.destination, self.destination_port, address, self.to_port)

    def same_endpoint(self, other: DnatRule) -> bool:
        """Whether both rules redirect the same address and port."""
        return (self.destination, self.destination_port) == (other.destination, other.destination_port)


class Outcome:
    """What `ensure` did; an `enum.Enum` takes 0.1 ms of every start."""

    ADDED = "added"
    ALREADY_THERE = "already there"
    REPLACED = "replaced"


class NatTable(Protocol):
    """The shim's own rules in one NAT back end, for both IP versions."""

    @property
    def name(self) -> str:
        """`legacy` or `nft`, as in MOCK_BACKEND."""

    def own_rules(self) -> Sequence[DnatRule]:
        """Return the shim's rules, read from the kernel now, in the kernel's order.

        A rule with the shim's tag but another form belongs to another program and is not returned.
        """

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        """In one transaction, remove one copy of each rule in `remove` and add those in `add`.

        Raises:
            ShimError: the kernel refused; nothing has changed.
        """


def ensure(tables: Sequence[NatTable], rule: DnatRule) -> str:
    """Make `rule` the shim's only rule for its endpoint in all of `tables`; returns an `Outcome`.

    Args:
        tables: the usable back ends; the first gets the rule, the others are only cleaned.
        rule: the rule.

    Raises:
        KernelRefusedError: the kernel did not accept the rule, or holds another one afterwards.
    """
    first, *others = tables
    found = _for_endpoint(first, rule)
    kept = found[:1] if found == [rule] * len(found) else []
    surplus = found[len(kept) :]
    if surplus or not kept:
        first.replace(surplus, [] if kept else [rule])
    read_back = _for_endpoint(first, rule)
    if read_back != [rule]:
        actual = "; ".join(map(str, read_back)) or "no rule"
        raise KernelRefusedError(
            f"the kernel's nat table ({first.name}) holds {actual} after the rule {rule} was set: another program "
            "changes the table at the same time, or its rules are written by an incompatible version."
        )
    # The other back end is cleaned only after the new rule is set. With both rules, a connection reaches a mock; with
    # neither, it would reach the real metadata service.
    elsewhere = False
    for table in others:
        stale = _for_endpoint(table, rule)
        if stale:
            table.replace(stale, [])
            elsewhere = True
    if kept and not surplus and not elsewhere:
        return Outcome.ALREADY_THERE
    return Outcome.REPLACED if found or elsewhere else Outcome.ADDED


def remove(tables: Sequence[NatTable]) -> int:
    """Remove all of the shim's rules; returns their number."""
    count = 0
    for table in tables:
        rules = table.own_rules()
        if rules:
            table.replace(rules, [])
            count += len(rules)
    return count


class SavedRules(FrozenRecord):
    """The shim's rules in one back end at one time."""

    table: NatTable
    rules: tuple[DnatRule, ...]


def save(tables: Sequence[NatTable]) -> Sequence[SavedRules]:
    """Return the shim's rules for `restore`; call it before the first `ensure` of a start."""
    return [SavedRules(table, tuple(table.own_rules())) for table in tables]


def restore(saved: Sequence[SavedRules]) -> None:
    """Restore the saved rules, so that a failed start leaves an earlier start's rule as it was."""
    for one in saved:
        now = list(one.table.own_rules())
        missing = []
        for rule in one.rules:
            if rule in now:
                now.remove(rule)
            else:
                missing.append(rule)
        if now or missing:
            one.table.replace(now, missing)


def _for_endpoint(table: NatTable, rule: DnatRule) -> list[DnatRule]:
    return [found for found in table.own_rules() if found.same_endpoint(rule)]
