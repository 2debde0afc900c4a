from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.errors import KernelRefusedError
from imds_shim.nat.rule import DnatRule, Outcome, ensure, remove, restore, save
from support.fakes import FakeNatTable

if TYPE_CHECKING:
    from collections.abc import Sequence

IMDS = IPv4Address("169.254.169.254")
IMDS_V6 = IPv6Address("fd00:ec2::254")


def to(address: str, port: int = 80) -> DnatRule:
    target = ip_address(address)
    return DnatRule(IMDS if target.version == 4 else IMDS_V6, 80, target, port)


OLD, NEW, SIX = to("172.18.0.2"), to("172.18.0.9"), to("fd12::2")


def test_an_empty_table_gets_the_rule() -> None:
    table = FakeNatTable()
    assert ensure([table], NEW) is Outcome.ADDED
    assert table.rules == [NEW]


def test_a_second_run_changes_nothing() -> None:
    table = FakeNatTable(rules=[NEW])
    assert ensure([table], NEW) is Outcome.ALREADY_THERE
    assert table.history == []


def test_a_moved_mock_is_one_transaction() -> None:
    table = FakeNatTable(rules=[OLD])
    assert ensure([table], NEW) is Outcome.REPLACED
    assert table.history == [(NEW,)]


def test_duplicates_are_reduced_to_one() -> None:
    table = FakeNatTable(rules=[NEW, NEW, NEW])
    assert ensure([table], NEW) is Outcome.REPLACED
    assert table.rules == [NEW]


def test_a_stale_rule_before_the_right_one_is_removed() -> None:
    table = FakeNatTable(rules=[OLD, NEW])
    assert ensure([table], NEW) is Outcome.REPLACED
    assert table.rules == [NEW]


def test_the_other_back_end_is_cleaned_only_after_the_rule_is_set() -> None:
    first = FakeNatTable("nft")
    seen: list[list[DnatRule]] = []

    class Other(FakeNatTable):
        def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
            seen.append(list(first.rules))
            super().replace(remove, add)

    other = Other("legacy", rules=[OLD])
    assert ensure([first, other], NEW) is Outcome.REPLACED
    assert (first.rules, other.rules) == ([NEW], [])
    assert seen == [[NEW]]


def test_the_same_rule_in_both_back_ends_is_removed_from_one() -> None:
    first, other = FakeNatTable("nft", rules=[NEW]), FakeNatTable("legacy", rules=[NEW])
    assert ensure([first, other], NEW) is Outcome.REPLACED
    assert (first.rules, other.rules) == ([NEW], [])


def test_each_endpoint_has_its_own_rule() -> None:
    other_port = DnatRule(IMDS, 8080, IPv4Address("172.18.0.2"), 80)
    table = FakeNatTable(rules=[SIX, other_port])
    assert ensure([table], NEW) is Outcome.ADDED
    assert sorted(map(str, table.rules)) == sorted(map(str, [SIX, other_port, NEW]))


def test_a_rule_that_the_kernel_ignores_is_an_error() -> None:
    with pytest.raises(KernelRefusedError, match="holds no rule after the rule"):
        ensure([FakeNatTable(ignores=True)], NEW)


@pytest.mark.parametrize("extra", [OLD, NEW])
def test_a_second_own_rule_for_the_endpoint_after_the_change_is_an_error(extra: DnatRule) -> None:
    """Packets might reach another mock through it, so the rule must be the only one."""

    class Shared(FakeNatTable):
        def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
            super().replace(remove, add)
            self.rules.append(extra)

    with pytest.raises(KernelRefusedError, match=f"holds {NEW}; {extra} after the rule"):
        ensure([Shared(rules=[SIX])], NEW)


def test_a_refusal_leaves_the_old_rule() -> None:
    table = FakeNatTable(rules=[OLD], refuses=True)
    with pytest.raises(KernelRefusedError):
        ensure([table], NEW)
    assert table.rules == [OLD]


def test_remove_deletes_own_rules_from_every_back_end() -> None:
    tables = [FakeNatTable("legacy", rules=[OLD, SIX]), FakeNatTable("nft", rules=[NEW]), FakeNatTable("empty")]
    assert remove(tables) == 3
    assert [table.rules for table in tables] == [[], [], []]
    assert remove(tables) == 0


def test_restore_brings_back_the_earlier_rule() -> None:
    first, other = FakeNatTable("nft", rules=[SIX]), FakeNatTable("legacy", rules=[OLD])
    before = save([first, other])
    ensure([first, other], NEW)
    restore(before)
    assert (first.rules, other.rules) == ([SIX], [OLD])


def test_restoring_the_current_rules_changes_nothing() -> None:
    table = FakeNatTable(rules=[NEW])
    restore(save([table]))
    assert table.history == []


@pytest.mark.parametrize(
    ("destination", "to_address", "port"),
    [(IMDS, IPv6Address("fd12::2"), 80), (IMDS_V6, IPv4Address("10.0.0.1"), 80), (IMDS, IMDS, 0), (IMDS, IMDS, 65536)],
)
def test_invalid_rules_are_rejected(
    destination: IPv4Address | IPv6Address, to_address: IPv4Address | IPv6Address, port: int
) -> None:
    with pytest.raises(ValueError, match=r"redirected|TCP port"):
        DnatRule(destination, 80, to_address, port)


def test_a_rule_as_text() -> None:
    assert str(OLD) == "169.254.169.254:80 -> 172.18.0.2:80"
    assert str(SIX) == "[fd00:ec2::254]:80 -> [fd12::2]:80"


some_rules = st.lists(st.sampled_from([OLD, NEW, SIX, to("172.18.0.2", 8080)]), max_size=5)


@given(first=some_rules, second=some_rules, wanted=st.sampled_from([OLD, NEW, SIX]))
def test_from_any_state_one_rule_remains_and_other_endpoints_keep_theirs(
    first: list[DnatRule], second: list[DnatRule], wanted: DnatRule
) -> None:
    tables = [FakeNatTable("nft", rules=list(first)), FakeNatTable("legacy", rules=list(second))]
    before = save(tables)
    ensure(tables, wanted)
    for table, was in zip(tables, (first, second), strict=True):
        assert [r for r in table.rules if r.same_endpoint(wanted)] == ([wanted] if table is tables[0] else [])
        assert [r for r in table.rules if not r.same_endpoint(wanted)] == [
            r for r in was if not r.same_endpoint(wanted)
        ]
        assert len(table.history) <= 1
    assert ensure(tables, wanted) is Outcome.ALREADY_THERE
    restore(before)
    for table, was in zip(tables, (first, second), strict=True):
        assert sorted(map(str, table.rules)) == sorted(map(str, was))
