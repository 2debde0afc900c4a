"""Chooses the NAT back end by an attempt, not by versions or existing rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imds_shim import capabilities
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.nat.rule import NatTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from imds_shim.config import Backend

BACKENDS = ("legacy", "nft")
"""In order of preference: nf_tables is used if the kernel lacks the legacy tables or refuses access to them."""


class NatBackend(NatTable, Protocol):
    """A NAT back end that can be tested without a lasting change."""

    def check_usable(self) -> None:
        """Try to set a rule, and remove it; raises PrivilegeError or KernelRefusedError."""

    def remove_trial(self) -> None:
        """Remove what `check_usable` left behind when the shim was killed."""


def open_tables(backend: Backend, without: Collection[str] = ()) -> Sequence[NatTable]:
    """Return the usable back ends: first the one for new rules, then those that may still hold a rule of the shim.

    Args:
        backend: the setting MOCK_BACKEND.
        without: names of back ends whose rules have no effect.

    Raises:
        PrivilegeError: a capability is missing; the message names it and how to grant it.
        KernelRefusedError: the kernel has none of the wanted back ends; the message says why each one failed.
    """
    refusals: dict[str, ShimError] = {}
    order, read = _preferred_order() if backend == "auto" else ((backend,), {})
    for name in order:
        if name in without:
            continue
        table = make_backend(name)
        try:
            table.check_usable()
        except ShimError as error:
            refusals[name] = error
        else:
            others = [other for other in BACKENDS if other != name]
            return [table, *([read[other] for other in others if other in read] or _readable(others)[0])]
    raise _no_backend_error(refusals)


def _preferred_order() -> tuple[Sequence[str], dict[str, NatBackend]]:
    """Return BACKENDS, and nf_tables by its name if it can be read.

    The order is reversed if nf_tables holds a rule of the shim: an earlier start has verified that it works.
    """
    nft = make_backend("nft")
    try:
        order = BACKENDS[::-1] if nft.own_rules() else BACKENDS
    except ShimError:
        return BACKENDS, {}
    return order, {"nft": nft}


def open_for_removal() -> Sequence[NatTable]:
    """Return the back ends that may hold a rule of the shim, without creating a table; removes interrupted trials.

    Raises:
        PrivilegeError: a capability is missing.
        KernelRefusedError: neither back end can be read.
    """
    tables, refusals = _readable(BACKENDS)
    if not tables:
        raise _no_backend_error(refusals)
    for table in tables:
        table.remove_trial()
    return tables


def make_backend(name: str) -> NatBackend:
    """Return a back end by name; its module is imported only now, which takes as long as setting a rule."""
    if name == "legacy":
        from imds_shim.nat.legacy import LegacyTable

        return LegacyTable()
    from imds_shim.nat.nft import NftTable

    return NftTable()


def _readable(names: Iterable[str]) -> tuple[list[NatBackend], dict[str, ShimError]]:
    """Return the readable back ends and the errors of the others, which cannot hold a rule of this container."""
    found: list[NatBackend] = []
    refusals: dict[str, ShimError] = {}
    for name in names:
        table = make_backend(name)
        try:
            table.own_rules()
        except ShimError as error:
            refusals[name] = error
        else:
            found.append(table)
    return found, refusals


def _no_backend_error(refusals: dict[str, ShimError]) -> ShimError:
    if len(refusals) == 1:
        return next(iter(refusals.values()))
    sets = capabilities.read_sets()
    refused = [error for error in refusals.values() if isinstance(error, PrivilegeError)]
    if sets.missing("NET_ADMIN") and refused:
        # The shorter list: only the legacy table needs NET_RAW, and it is needed only if the kernel lacks nf_tables.
        missing = min((error.missing for error in refused), key=len)
        return capabilities.missing_error(missing, "to redirect 169.254.169.254", sets)
    tried = ". ".join(
        f"{name}: {error.problem if isinstance(error, PrivilegeError) else str(error).removesuffix('.')}"
        for name, error in refusals.items()
    )
    problem = f"neither NAT back end of this kernel can be used. {tried}"
    if not refused:
        return KernelRefusedError(f"{problem}.")
    missing = next((error.missing for error in refused if error.missing), ())
    return PrivilegeError(problem, capabilities.how_to_grant(missing, sets) if missing else "", missing)
