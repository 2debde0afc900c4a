"""SIGTERM and SIGINT while the shim is at work: as PID 1 it would ignore them unless it catches them.

A handler that raises also ends a socket call or sleep that is under way (PEP 475). The kernel sets caught signals back
to their default at exec, so nothing of this reaches the command; a signal that was ignored from the start (nohup)
stays ignored.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

from imds_shim.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupts:
    """Turns the two signals into `Interrupted`, at once or, inside `deferred()`, at its end."""

    def __init__(self) -> None:
        self._deferring = False
        self._arrived: int | None = None

    def install(self) -> None:
        """Catch both signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._arrive)

    def _arrive(self, number: int, _frame: FrameType | None) -> None:
        if self._arrived is not None:
            # The first one is being acted upon: what was set is being taken back.
            return
        self._arrived = number
        if not self._deferring:
            raise Interrupted(number)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a step that must not be left half done come to its end first."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._arrived is not None:
            raise Interrupted(self._arrived)
