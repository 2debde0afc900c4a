"""The entry point inside the relocatable tree, called by `archive`.

The launcher puts one byte, `=`, in front of every environment entry, so that variables like LD_PRELOAD, LOCPATH and
PYTHONPATH, which are meant for the application, do not affect the tree's loader, C library or interpreter. This module
removes the byte, so the application gets its entries unchanged: order, duplicates, bytes that are not UTF-8 and entries
without `=` included. Entries without the byte are the launcher's own. They name the signals that it has blocked, so
that none is lost before a handler is installed, and those of `signals.IGNORED_BY_CPYTHON` that were ignored or pending.
"""

from __future__ import annotations

import os
import sys

from imds_shim.errors import Interrupted
from imds_shim.exec.signals import Interrupts
from imds_shim.without_enums import signal

MARK = b"="
BLOCKED, IGNORED, PENDING = "IMDS_SHIM_BLOCKED", "IMDS_SHIM_IGNORED", "IMDS_SHIM_PENDING"


def remove_marks(entries: list[bytes]) -> list[bytes]:
    """Return the application's entries without the launcher's mark; entries without a mark are the launcher's."""
    return [entry[len(MARK) :] for entry in entries if entry.startswith(MARK)]


def main(tree: str) -> int:
    """Run the program from the tree at this path; returns the exit code."""
    sys.path.append(f"{tree}/lib/site-packages")
    # libxtables finds its extensions by this variable; it is set in this process only, not for the application.
    os.putenv("XTABLES_LIBDIR", f"{tree}/lib/xtables")

    interrupts = Interrupts()
    try:
        # Before any slow step, because the kernel drops a signal to PID 1 that has no handler.
        interrupts.install(_signals_named_in(IGNORED))
        for number in _signals_named_in(PENDING):
            # CPython discarded the signal. It is blocked, so it stays pending until the command runs.
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _signals_named_in(BLOCKED))
        return _run(interrupts)
    except Interrupted as interrupt:
        return interrupt.exit_code


def _signals_named_in(variable: str) -> list[int]:
    return [getattr(signal, f"SIG{name}") for name in os.environ.get(variable, "").split()]


def _run(interrupts: Interrupts) -> int:
    from imds_shim.cli import run
    from imds_shim.system import raw_arguments, raw_environ

    return run(raw_arguments(), remove_marks(raw_environ()), interrupts)
