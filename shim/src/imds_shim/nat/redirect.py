"""In which back end the rules of one start are: with `MOCK_BACKEND=auto`, one whose rules take no effect is left.

A back end that the kernel accepts rules in may still be passed over by packets: the chain that was registered first
decides about a connection, so a nat table that another program set up later, in the other back end, can hide ours.
Only the proof shows that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError, WrongMockError
from imds_shim.nat import rule as nat

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Collection, Sequence
    from typing import Protocol

    from imds_shim.config import Backend
    from imds_shim.log import Log
    from imds_shim.nat.rule import NatTable
else:
    Protocol = object  # making a real one costs every start 0.1 ms


class Tables(Protocol):
    """What redirecting asks of the kernel."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """While it lasts, no other shim changes rules and routes of this network namespace."""

    def open_tables(self, backend: Backend, without: Collection[str] = ()) -> Sequence[NatTable]:
        """Open the NAT back ends, first the one to use, which is none of `without`.

        Raises:
            PrivilegeError, KernelRefusedError: none can be used.
        """


class Redirect:
    """The rules of one start, whose state before it is noted in `undo` before the first change."""

    def __init__(self, tables: Tables, backend: Backend, undo: contextlib.ExitStack, say: Log) -> None:
        self._tables, self._backend, self._undo, self._say = tables, backend, undo, say
        self._failures: dict[str, ShimError] = {}
        self._used: str | None = None

    @property
    def may_change(self) -> bool:
        """Whether rules are set, and another back end is left for them."""
        return self._used is not None and self._backend == "auto" and not self._failures

    def ensure(self, rule: nat.DnatRule) -> None:
        """Set one rule, in place of any other for the same endpoint; the caller holds `alone`.

        Raises:
            PrivilegeError, KernelRefusedError: no back end takes it.
        """
        while True:
            tables = self._tables.open_tables(self._backend, self._failures)
            if self._used is None:
                self._undo.callback(nat.restore, nat.record(tables))
            self._used = tables[0].name
            try:
                outcome = nat.ensure(tables, rule)
            except KernelRefusedError as error:
                self.change(error)
            else:
                self._say.debug(f"rule {outcome} in the {self._used} nat table: {rule}")
                return

    def change(self, error: WrongMockError | KernelRefusedError) -> None:
        """Go on with the other back end, because rules in this one have no effect; the caller holds `alone`.

        What this one holds is taken away when the other one has the rule.

        Raises:
            WrongMockError, KernelRefusedError: there is no other; the sentence names all that were tried.
        """
        if self._used is None:
            raise error
        self._failures[self._used] = error
        if self._backend != "auto":
            raise self._with_a_hint(error)
        if len(self._failures) == 1:
            try:
                (table, *_) = self._tables.open_tables(self._backend, self._failures)
            except (PrivilegeError, KernelRefusedError) as refusal:
                self._failures[_other(self._used)] = refusal
            else:
                self._say.warning(f"{_what(error)} with a rule in the {self._used} nat table; trying {table.name}")
                return
        raise self._all_tried(error)

    def _with_a_hint(self, error: WrongMockError | KernelRefusedError) -> ShimError:
        hint = f"MOCK_BACKEND=auto also tries {_other(self._backend)}"
        if isinstance(error, WrongMockError):
            return WrongMockError(error.what, f"{hint}; {error.cure}")
        return KernelRefusedError(f"{error} {hint}.")

    def _all_tried(self, last: WrongMockError | KernelRefusedError) -> ShimError:
        first = next(iter(self._failures.values()))
        reasons = {name: _what(error) for name, error in self._failures.items()}
        if len(set(reasons.values())) == 1:
            reasons = {" and ".join(reasons): _what(first)}
        tried = "; ".join(f"{names}: {reason}" for names, reason in reasons.items())
        what = f"169.254.169.254 can be redirected with neither back end of the kernel's NAT ({tried})"
        wrong = next((error for error in (first, last) if isinstance(error, WrongMockError)), None)
        return WrongMockError(what, wrong.cure) if wrong else KernelRefusedError(f"{what}.")


def _other(name: str) -> str:
    return "nft" if name == "legacy" else "legacy"


def _what(error: ShimError) -> str:
    what = error.what if isinstance(error, WrongMockError | PrivilegeError) else str(error)
    return what.removesuffix(".")
