"""Stand-ins for what the shim touches, failing as the real thing does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imds_shim.errors import KernelRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_shim.rule import DnatRule


@dataclass
class FakeNatTable:
    """A NAT table in memory: all or nothing like a kernel transaction, and able to refuse or to swallow rules.

    `history` holds the rules after each transaction, so a test can tell what packets saw in between.
    """

    name: str = "legacy"
    rules: list[DnatRule] = field(default_factory=list)
    refuses: bool = False
    swallows: bool = False
    history: list[tuple[DnatRule, ...]] = field(default_factory=list)

    def ours(self) -> Sequence[DnatRule]:
        return tuple(self.rules)

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        if self.refuses:
            raise KernelRefusedError("can't initialize nat: Table does not exist")
        after = list(self.rules)
        for rule in remove:
            if rule not in after:
                raise KernelRefusedError("Bad rule (does a matching rule exist in that chain?)")
            after.remove(rule)
        if not self.swallows:
            after[:0] = add
        self.rules = after
        self.history.append(tuple(after))
