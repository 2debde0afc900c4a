"""When the rules of a start may still move to the other back end, which decides how long the first one gets."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from imds_shim.errors import WrongMockError
from imds_shim.nat.redirect import Redirect
from imds_shim.nat.rule import DnatRule
from support.fakes import FakeKernel, Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_shim.config import Backend

RULE = DnatRule(IPv4Address("169.254.169.254"), 80, IPv4Address("10.0.0.4"), 80)


@pytest.mark.parametrize(("backend", "expected"), [("auto", [False, True, False]), ("legacy", [False, False])])
def test_rules_can_move_once_and_only_if_no_back_end_is_configured(backend: Backend, expected: list[bool]) -> None:
    """Before a rule is set, with a rule, and in the second back end, which gets all of the remaining time."""
    with contextlib.ExitStack() as undo:
        redirect = Redirect(FakeKernel(), backend, undo, Lines().log)
        states = [redirect.can_switch]
        redirect.ensure(RULE)
        states.append(redirect.can_switch)
        if backend == "auto":
            redirect.switch_backend(WrongMockError("no effect", "advice"))
            redirect.ensure(RULE)
            states.append(redirect.can_switch)
    assert states == expected


def test_undoing_waits_for_other_shims(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails beside others must not change rules that one of them has just read."""
    kernel = FakeKernel()
    held: list[str] = []

    @contextlib.contextmanager
    def lock() -> Iterator[None]:
        held.append("taken")
        yield
        held.append(f"{len(kernel.tables[0].rules)} rules")

    monkeypatch.setattr(kernel, "lock", lock)
    with contextlib.ExitStack() as undo:
        Redirect(kernel, "auto", undo, Lines().log).ensure(RULE)
        assert held == []
    assert held == ["taken", "0 rules"]
