"""What `archive` enters inside the relocatable tree, with the launcher's arguments and environment.

The launcher puts one byte `=` in front of every environment entry, so that neither the tree's loader nor its C library
or interpreter takes LD_PRELOAD, LOCPATH, PYTHONPATH and their like, which are meant for the application, for its own.
It is taken off again here, and the application gets the entries as they were: order, duplicates, bytes that are no
UTF-8 and entries without `=` included. Entries without that byte are the launcher's own: the signals that it has
blocked, so that none is lost before it can be caught, and those of `interrupts.IGNORED_BY_CPYTHON` that were ignored
or pending when it started.
"""

from __future__ import annotations

import os
import signal
import sys

from imds_shim.errors import Interrupted
from imds_shim.exec.signals import Interrupts

MARK = b"="
BLOCKED, IGNORED, PENDING = "IMDS_SHIM_BLOCKED", "IMDS_SHIM_IGNORED", "IMDS_SHIM_PENDING"


def unmarked(entries: list[bytes]) -> list[bytes]:
    """Take the launcher's mark off; an entry without it was not there when the launcher ran."""
    return [entry[len(MARK) :] for entry in entries if entry.startswith(MARK)]


def main(tree: str) -> int:
    """Be the ordinary program, with what is below the tree's own path."""
    sys.path.append(f"{tree}/lib/site-packages")
    # In this process only: libxtables finds its extensions by it, the application gets the environment as received.
    os.putenv("XTABLES_LIBDIR", f"{tree}/lib/xtables")

    interrupts = Interrupts()
    try:
        # Before all that takes time: as PID 1 this process would not even notice a signal that it does not catch.
        interrupts.install(_signals_named_in(IGNORED))
        for number in _signals_named_in(PENDING):
            # CPython discarded it. It is blocked, so it waits for the command again.
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _signals_named_in(BLOCKED))
        return _run(interrupts)
    except Interrupted as interrupt:
        return interrupt.exit_code


def _signals_named_in(variable: str) -> list[signal.Signals]:
    return [signal.Signals[f"SIG{name}"] for name in os.environ.get(variable, "").split()]


def _run(interrupts: Interrupts) -> int:
    from imds_shim import import_stubs  # noqa: PLC0415 - only when signals are caught

    import_stubs.load("socket")
    from imds_shim.cli import run  # noqa: PLC0415 - after what it would load otherwise
    from imds_shim.exec.process import raw_arguments, raw_environ  # noqa: PLC0415 - likewise

    return run(raw_arguments(), unmarked(raw_environ()), interrupts)
