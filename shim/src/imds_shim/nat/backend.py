"""Which back end of the kernel's NAT to use: chosen by trying, never by guessing from versions or existing rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim import capabilities
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.nat.rule import NatTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Protocol

    from imds_shim.config import Backend
else:
    Protocol = object  # making a real one costs every start 0.1 ms

ORDER = ("legacy", "nft")
"""python-iptables where the kernel has its tables, nf_tables where it has not or will not let us use them."""


class TriableTable(NatTable, Protocol):
    """A back end that can show whether it works here, without leaving anything behind."""

    def try_out(self) -> None:
        """Raises PrivilegeError or KernelRefusedError."""

    def remove_trial(self) -> None:
        """Remove what a shim has left that was killed while it tried the back end out."""


def open_tables(backend: Backend, without: Collection[str] = ()) -> Sequence[NatTable]:
    """The back ends that work here: first the one to add to, then those that may still hold a rule of ours.

    Args:
        backend: the setting.
        without: names of back ends whose rules have turned out to have no effect.

    Raises:
        PrivilegeError: a capability is missing; the sentence names it and the line to add to the compose file.
        KernelRefusedError: the kernel has none of the back ends asked for; the sentence says what was tried.
    """
    refusals: dict[str, ShimError] = {}
    for name in _order() if backend == "auto" else (backend,):
        if name in without:
            continue
        table = table_named(name)
        try:
            table.try_out()
        except ShimError as error:
            refusals[name] = error
        else:
            return [table, *_readable(other for other in ORDER if other != name)[0]]
    raise _none_works(refusals)


def _order() -> Sequence[str]:
    """ORDER, or its reverse where a rule of ours is in nf_tables: an earlier start has proven that it works there."""
    try:
        return ORDER[::-1] if table_named("nft").ours() else ORDER
    except ShimError:
        return ORDER


def tables_to_clean() -> Sequence[NatTable]:
    """The back ends that may hold a rule of ours; nothing is tried out, so that nothing is created.

    What an interrupted trial has left is removed.

    Raises:
        PrivilegeError: a capability is missing.
        KernelRefusedError: neither can be looked into.
    """
    tables, refusals = _readable(ORDER)
    if not tables:
        raise _none_works(refusals)
    for table in tables:
        table.remove_trial()
    return tables


def table_named(name: str) -> TriableTable:
    """One back end, imported late: either import costs as much as a rule."""
    if name == "legacy":
        from imds_shim.nat.legacy import LegacyTable  # noqa: PLC0415 - see above

        return LegacyTable()
    from imds_shim.nat.nft import NftTable  # noqa: PLC0415 - see above

    return NftTable()


def _readable(names: Iterable[str]) -> tuple[list[TriableTable], dict[str, ShimError]]:
    """Back ends that can be looked into, and why the others cannot: who may not read one did not write to it either."""
    found: list[TriableTable] = []
    refusals: dict[str, ShimError] = {}
    for name in names:
        table = table_named(name)
        try:
            table.ours()
        except ShimError as error:
            refusals[name] = error
        else:
            found.append(table)
    return found, refusals


def _none_works(refusals: dict[str, ShimError]) -> ShimError:
    if len(refusals) == 1:
        return next(iter(refusals.values()))
    sets = capabilities.read_sets()
    refused = [error for error in refusals.values() if isinstance(error, PrivilegeError)]
    if sets.missing("NET_ADMIN") and refused:
        # nf_tables does without NET_RAW. Where the kernel lacks nf_tables, the legacy table needs it.
        missing = min((error.missing for error in refused), key=len)
        named = " and ".join(missing)
        how = capabilities.how_to_get(missing, sets)
        return PrivilegeError(f"redirecting needs {named}, which this container lacks", how, missing)
    tried = ". ".join(
        f"{name}: {error.what if isinstance(error, PrivilegeError) else str(error).removesuffix('.')}"
        for name, error in refusals.items()
    )
    what = f"neither back end of the kernel's NAT can be used. {tried}"
    if not refused:
        return KernelRefusedError(f"{what}.")
    missing = next((error.missing for error in refused if error.missing), ())
    return PrivilegeError(what, capabilities.how_to_get(missing, sets) if missing else "", missing)
