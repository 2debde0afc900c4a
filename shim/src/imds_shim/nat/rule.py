"""What redirect there should be, and the steps that make it so whatever was there before.

A rule is plain data and the kernel sits behind `NatTable`, so every case (nothing there, there already, there with
another address, there in the other back end, there twice) is decided and tested here without a kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim.endpoints import shown
from imds_shim.errors import KernelRefusedError
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from imds_shim.endpoints import IPAddress
else:
    Protocol = object  # making a real one costs every start 0.1 ms

LARGEST_PORT = 65535


class DnatRule(Record):
    """TCP to exactly `destination:destination_port` goes to `to_address:to_port` instead.

    Raises:
        ValueError: the two addresses are of different families (NAT cannot cross), or a port is out of range.
    """

    destination: IPAddress
    destination_port: int
    to_address: IPAddress
    to_port: int

    def __post_init__(self) -> None:
        """Refuse a rule that no kernel takes."""
        if self.destination.version != self.to_address.version:
            raise ValueError(f"{self.destination} cannot be redirected to {self.to_address}: NAT keeps the IP version")
        for port in (self.destination_port, self.to_port):
            if not 1 <= port <= LARGEST_PORT:
                raise ValueError(f"{port} is not a TCP port")

    def __str__(self) -> str:
        return f"{shown(self.destination, self.destination_port)} -> {shown(self.to_address, self.to_port)}"

    def leading_to(self, address: IPAddress) -> DnatRule:
        """Return the same with another address of the mock."""
        return DnatRule(self.destination, self.destination_port, address, self.to_port)

    def same_endpoint(self, other: DnatRule) -> bool:
        """Whether both redirect the same address and port, wherever to."""
        return (self.destination, self.destination_port) == (other.destination, other.destination_port)


class Outcome:
    """What `ensure` had to do, in words; making an `enum.Enum` costs every start 0.1 ms."""

    ADDED = "added"
    ALREADY_THERE = "already there"
    REPLACED = "replaced"


class NatTable(Protocol):
    """One back end of the kernel's NAT, both address families, as far as our own rules are concerned."""

    @property
    def name(self) -> str:
        """What users call it: `legacy` or `nft`."""

    def ours(self) -> Sequence[DnatRule]:
        """Every rule tagged as ours, in the kernel's order, read from the kernel at this moment.

        A tagged rule of any other form than this program writes is somebody else's and is not listed.
        """

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        """In one transaction, take away one occurrence of each rule in `remove` and put in those in `add`.

        Raises:
            ShimError: the kernel refused; nothing has changed then.
        """


def ensure(tables: Sequence[NatTable], rule: DnatRule) -> str:
    """Make `rule` the only one of ours for its endpoint, in all of `tables`.

    Args:
        tables: back ends that work here; the rule goes into the first, the others are only cleaned.
        rule: what should hold afterwards.

    Raises:
        KernelRefusedError: the kernel did not take the rule, or took something else.
    """
    first, *others = tables
    found = _for_endpoint(first, rule)
    kept = found[:1] if found == [rule] * len(found) else []
    surplus = found[len(kept) :]
    if surplus or not kept:
        first.replace(surplus, [] if kept else [rule])
    read_back = _for_endpoint(first, rule)
    if read_back != [rule]:
        said = "; ".join(map(str, read_back)) or "nothing"
        raise KernelRefusedError(
            f"the kernel's nat table ({first.name}) holds {said} after the rule {rule} was set: "
            "another program changes it at the same time, or its rules are written by an incompatible version."
        )
    # The new rule stands before the old one of the other back end goes: with both, one of them decides and the
    # connection reaches a mock; with neither it would leave for a real metadata service.
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
    """Take away every rule of ours, of both families and all endpoints; returns how many there were."""
    count = 0
    for table in tables:
        rules = table.ours()
        if rules:
            table.replace(rules, [])
            count += len(rules)
    return count


class Recorded(Record):
    """The rules of ours that one back end held at a moment."""

    table: NatTable
    rules: tuple[DnatRule, ...]


def record(tables: Sequence[NatTable]) -> Sequence[Recorded]:
    """What is ours now, for `restore`: take it before the first `ensure` of a start."""
    return [Recorded(table, tuple(table.ours())) for table in tables]


def restore(records: Sequence[Recorded]) -> None:
    """Bring our rules back to what was recorded, so that a failed start leaves an earlier one's rule as it was."""
    for recorded in records:
        now = list(recorded.table.ours())
        missing = []
        for rule in recorded.rules:
            if rule in now:
                now.remove(rule)
            else:
                missing.append(rule)
        if now or missing:
            recorded.table.replace(now, missing)


def _for_endpoint(table: NatTable, rule: DnatRule) -> list[DnatRule]:
    return [found for found in table.ours() if found.same_endpoint(rule)]
