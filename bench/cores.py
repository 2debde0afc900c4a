"""Processors: servers run on one, and everything that loads them on the others, so that they do not compete."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL: Final = frozenset(os.sched_getaffinity(0))
SERVER: Final = frozenset(sorted(ALL)[:1])
LOAD: Final = ALL - SERVER or ALL


@contextlib.contextmanager
def on(processors: frozenset[int]) -> Iterator[None]:
    """Run this thread, and the programs that it starts in the block, on these processors only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
