"""Sets the rules of one start; with `MOCK_BACKEND=auto` it switches the back end if rules have no effect.

The kernel may accept a rule that packets never reach: the chain that was registered first decides about a connection,
so a nat table that another program added later, in the other back end, can hide the shim's. Only verification shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError, WrongMockError
from imds_shim.nat.rule import ensure, restore, save

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Collection, Sequence

    from imds_shim.config import Backend
    from imds_shim.log import Log
    from imds_shim.nat.rule import DnatRule, NatTable, SavedRules


class NatTables(Protocol):
    """The kernel operations that redirecting needs."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep other shims from changing rules and routes of this network namespace."""

    def open_tables(self, backend: Backend, without: Collection[str] = ()) -> Sequence[NatTable]:
        """Open the NAT back ends, the one to use first; it is none of `without`.

        Raises:
            PrivilegeError, KernelRefusedError: no back end can be used.
        """


class Redirect:
    """The rules of one start; their state before the first change is registered in `undo`."""

    def __init__(self, kernel: NatTables, backend: Backend, undo: contextlib.ExitStack, log: Log) -> None:
        self._kernel, self._backend, self._undo, self._log = kernel, backend, undo, log
        self._failures: dict[str, ShimError] = {}
        self._backend_name: str | None = None

    @property
    def can_switch(self) -> bool:
        """Whether rules are set and could be moved to another back end."""
        return self._backend_name is not None and self._backend == "auto" and not self._failures

    def ensure(self, rule: DnatRule) -> None:
        """Set a rule, replacing any other for the same endpoint; the caller holds `lock`.

        Raises:
            PrivilegeError, KernelRefusedError: no back end accepts it.
        """
        while True:
            tables = self._kernel.open_tables(self._backend, self._failures)
            if self._backend_name is None:
                self._undo.callback(self._restore, save(tables))
            self._backend_name = tables[0].name
            try:
                outcome = ensure(tables, rule)
            except KernelRefusedError as error:
                self.switch_backend(error)
            else:
                self._log.debug(f"rule {outcome} in the {self._backend_name} nat table: {rule}")
                return

    def switch_backend(self, error: WrongMockError | KernelRefusedError) -> None:
        """Use the other back end from now on, because rules in this one have no effect; the caller holds `lock`.

        The next `ensure` removes the rules from this back end, after the other one holds the rule.

        Raises:
            WrongMockError, KernelRefusedError: there is no other back end; the message names all that were tried.
        """
        if self._backend_name is None:
            raise error
        self._failures[self._backend_name] = error
        if self._backend != "auto":
            raise self._with_backend_hint(error)
        if len(self._failures) == 1:
            try:
                (table, *_) = self._kernel.open_tables(self._backend, self._failures)
            except (PrivilegeError, KernelRefusedError) as refusal:
                self._failures[_other_backend(self._backend_name)] = refusal
            else:
                self._log.warning(
                    f"{_reason(error)}, with a rule in the {self._backend_name} nat table; trying {table.name}"
                )
                return
        raise self._both_failed(error)

    def _restore(self, saved: Sequence[SavedRules]) -> None:
        # Another shim may be between reading the rules and changing them.
        with self._kernel.lock():
            restore(saved)

    def _with_backend_hint(self, error: WrongMockError | KernelRefusedError) -> ShimError:
        hint = f"MOCK_BACKEND=auto also tries {_other_backend(self._backend)}"
        if isinstance(error, WrongMockError):
            return WrongMockError(error.problem, f"{hint}; {error.advice}")
        return KernelRefusedError(f"{error} {hint}.")

    def _both_failed(self, last: WrongMockError | KernelRefusedError) -> ShimError:
        first = next(iter(self._failures.values()))
        reasons = {name: _reason(error) for name, error in self._failures.items()}
        if len(set(reasons.values())) == 1:
            reasons = {" and ".join(reasons): _reason(first)}
        tried = "; ".join(f"{names}: {reason}" for names, reason in reasons.items())
        problem = f"neither NAT back end of this kernel can redirect 169.254.169.254 ({tried})"
        wrong = next((error for error in (first, last) if isinstance(error, WrongMockError)), None)
        return WrongMockError(problem, wrong.advice) if wrong else KernelRefusedError(f"{problem}.")


def _other_backend(name: str) -> str:
    return "nft" if name == "legacy" else "legacy"


def _reason(error: ShimError) -> str:
    reason = error.problem if isinstance(error, WrongMockError | PrivilegeError) else str(error)
    return reason.removesuffix(".")
